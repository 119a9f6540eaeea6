import { CaError } from '../error.ts';
import type { Profile } from '../issuance/profile.ts';
import { readTime } from './timestamp.ts';

// How Go writes a time that nobody has set: step sends it with each order.
const unset = '0001-01-01T00:00:00Z';

/**
 * Reads the validity that an order wants (RFC 8555 §7.4); what cannot be honoured is refused, never dropped. The time that Go has where none was set wants nothing.
 *
 * @param now milliseconds since the epoch
 * @throws {CaError} `malformed`
 */
export function readValidity(
  payload: Readonly<Record<string, unknown>>,
  profile: Profile,
  now: number,
): { notBefore: Date | undefined; notAfter: Date | undefined } {
  const [notBefore, notAfter] = (['notBefore', 'notAfter'] as const).map((name) =>
    payload[name] === unset ? undefined : readTime(payload, name),
  );
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
