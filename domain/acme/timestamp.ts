import { CaError } from '../error.ts';

// RFC 3339 §5.6, with a zone, as RFC 8555 §7.1.3 wants it.
const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i;

/**
 * A member of a request that is a time (RFC 3339), in whole seconds; undefined: it is not there.
 *
 * @throws {CaError} `malformed`
 */
export function readTime(members: Readonly<Record<string, unknown>>, name: string): Date | undefined {
  const value = members[name];
  if (value === undefined) return undefined;
  const time = typeof value === 'string' && timestamp.test(value) ? Date.parse(value) : Number.NaN;
  if (!Number.isFinite(time)) throw new CaError('malformed', `${name} is not an RFC 3339 time`);
  return new Date(Math.floor(time / 1000) * 1000);
}

/** Whole seconds, UTC (RFC 3339). */
export function rfc3339(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}
