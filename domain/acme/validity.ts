import { CaError } from '../error.ts';
import type { Profile } from '../issuance/profile.ts';

// RFC 3339 §5.6, with a zone, as RFC 8555 §7.1.3 wants it.
const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i;

/**
 * Reads the validity that an order wants (RFC 8555 §7.4); what cannot be honoured is refused, never dropped.
 *
 * @param now milliseconds since the epoch
 * @throws {CaError} `malformed`
 */
export function readValidity(
  payload: Readonly<Record<string, unknown>>,
  profile: Profile,
  now: number,
): { notBefore: Date | undefined; notAfter: Date | undefined } {
  const read = (name: string): Date | undefined => {
    const value = payload[name];
    if (value === undefined) return undefined;
    const time = typeof value === 'string' && timestamp.test(value) ? Date.parse(value) : Number.NaN;
    if (!Number.isFinite(time)) throw new CaError('malformed', `${name} is not an RFC 3339 time`);
    return new Date(Math.floor(time / 1000) * 1000);
  };
  const notBefore = read('notBefore');
  const notAfter = read('notAfter');
  const dayMs = 86_400_000;
  if (notBefore && Math.abs(notBefore.getTime() - now) > dayMs) throw new CaError('malformed', 'notBefore must be within a day of now');
  if (notAfter && notAfter.getTime() <= Math.max(now, notBefore?.getTime() ?? 0))
    throw new CaError('malformed', 'notAfter is not in the future');
  const begin = notBefore?.getTime() ?? now - 60_000;
  if (notAfter && notAfter.getTime() - begin > profile.validitySeconds * 1000) {
    throw new CaError('malformed', `notAfter is later than the profile allows (${profile.validitySeconds} seconds)`);
  }
  return { notBefore, notAfter };
}
