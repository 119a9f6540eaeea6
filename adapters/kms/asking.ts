import type { KMSServiceException } from '@aws-sdk/client-kms';
import { CaError } from '#domain/error.ts';

const throttledSeconds = 2;
const disabledSeconds = 300;

/** What each refusal of KMS is to who waits: worth another try soon, after somebody has looked at the key, or never. */
const refusals: Readonly<Record<string, readonly [detail: string, retryAfter: number]>> = {
  ThrottlingException: ['the key service is busy', throttledSeconds],
  LimitExceededException: ['the key service is busy', throttledSeconds],
  KMSInternalException: ['the key service has a fault', throttledSeconds],
  DependencyTimeoutException: ['the key service has a fault', throttledSeconds],
  KeyUnavailableException: ['the key is not available', throttledSeconds],
  TimeoutError: ['the key service does not answer', throttledSeconds],
  DisabledException: ['the key is disabled', disabledSeconds],
  KMSInvalidStateException: ['the key is disabled or about to be deleted', disabledSeconds],
};

/**
 * Asks KMS, and says in our words why it would not answer: who asked may try again where that can help.
 *
 * @throws {CaError} `unavailable` with how long to wait, `internal` for a refusal that stays one
 */
export async function asking<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    const { name, $metadata } = cause as Partial<KMSServiceException>;
    const [detail, retryAfter] = refusals[name ?? ''] ?? unnamed($metadata?.httpStatusCode) ?? [];
    if (detail !== undefined && retryAfter !== undefined) throw new CaError('unavailable', detail, { cause, retryAfter });
    throw new CaError('internal', 'the key service refuses the key', { cause });
  }
}

/** No connection, no answer, or a fault that has no name. */
function unnamed(status: number | undefined): readonly [detail: string, retryAfter: number] | undefined {
  if (status === undefined) return ['the key service does not answer', throttledSeconds];
  if (status === 429) return ['the key service is busy', throttledSeconds];
  return status >= 500 ? ['the key service has a fault', throttledSeconds] : undefined;
}
