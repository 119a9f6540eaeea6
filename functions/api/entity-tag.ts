import { createHash } from 'node:crypto';
import type { Route } from '#contract/route.ts';

/**
 * The ETag of an answer: of a resource with versions its version, of anything else that is read a weak one of what it says (RFC 9110 §8.8.3).
 *
 * @param body before members are left out: a part of a version is that version
 * @param said its JSON, which whoever answers with it writes once
 */
export function tagOf(route: Route, body: object | string, said: () => string = () => JSON.stringify(body)): string | undefined {
  if (typeof body === 'string' || ['public', 'agent', 'enrolment'].includes(route.permission)) return undefined;
  const version = (body as { version?: unknown }).version;
  if (route.versioned === true && typeof version === 'number') return `"v${version}"`;
  if (route.method !== 'GET') return undefined;
  return `W/"${createHash('sha256').update(said()).digest('base64url').slice(0, 22)}"`;
}
