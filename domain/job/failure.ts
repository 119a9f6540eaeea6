import { CaError, type ErrorCode } from '../error.ts';

const transient: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['unavailable', 'internal', 'rateLimited', 'dns', 'connection', 'tls']);

/** Whether another attempt may succeed: a refusal stays a refusal, whatever failed underneath may heal. */
export function isTransient(error: unknown): boolean {
  return !(error instanceof CaError) || transient.has(error.code);
}

/** What a job's row keeps of an error: nothing that came from below. */
export function reasonOf(error: unknown): string {
  if (error instanceof CaError) return `${error.code}: ${error.message}`.slice(0, 500);
  return error instanceof Error ? `internal: ${error.name}` : 'internal';
}
