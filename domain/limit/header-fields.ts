import type { Allowance } from './limiter.ts';

/** The fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-08), the most restrictive policy first. */
export function rateLimitFields(allowances: readonly Allowance[]): Readonly<Record<string, string>> {
  if (allowances.length === 0) return {};
  const ordered = [...allowances].sort((a, b) => a.remaining - b.remaining);
  return {
    'ratelimit-policy': ordered.map((one) => `"${one.policy}";q=${one.quota};w=${one.windowSeconds}`).join(', '),
    ratelimit: ordered.map((one) => `"${one.policy}";r=${one.remaining};t=${one.resetSeconds}`).join(', '),
  };
}
