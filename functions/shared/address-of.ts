import { CaError } from '#domain/error.ts';
import { addressKey } from '#domain/limit/address.ts';

/**
 * The bucket of an address.
 *
 * @throws {CaError} `internal` when there is none: whoever cannot be counted is not admitted
 */
export function addressOf(sourceIp: string): string {
  const key = addressKey(sourceIp);
  if (key === undefined) throw new CaError('internal', 'the request has no source address');
  return key;
}
