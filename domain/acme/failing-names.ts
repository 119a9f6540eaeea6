import { CaError, type Subproblem } from '../error.ts';
import type { AccountRequest } from './authenticate.ts';
import type { Identifier } from './identifier.ts';
import type { AcmePorts } from './ports.ts';
import type { RefusedName } from './store.ts';

// Nobody knows when a person comes.
const pausedRetrySeconds = 86_400;

/**
 * Refuses names whose validations keep failing: a client that nobody watches would else fail for ever. Reads only; what is refused spends no
 * allowance.
 *
 * @param names as authorizations have them
 * @throws {CaError} `rateLimited` with a subproblem for each name
 */
export async function assertNotFailing(ports: AcmePorts, request: AccountRequest, names: readonly Identifier[]): Promise<void> {
  const refused = await ports.failingNames.refused(request.who, names, ports.settings.failures);
  if (refused.length === 0) return;
  const token = refused.find((name) => name.unpauseToken !== undefined)?.unpauseToken;
  const list = refused
    .slice(0, 5)
    .map(({ identifier }) => identifier.value)
    .join(', ');
  const which = refused.length > 5 ? `${list} and ${refused.length - 5} more` : list;
  const detail =
    token === undefined
      ? `too many validations failed within an hour: ${which}`
      : `paused, for validations keep failing: ${which}; put right what fails, then open ${request.urls.unpause(token)}`;
  throw new CaError('rateLimited', detail, {
    retryAfter: token === undefined ? Math.max(...refused.map((name) => name.retryAfter)) : pausedRetrySeconds,
    subproblems: refused.map(subproblem),
    ...(token !== undefined && { url: request.urls.unpause(token) }),
  });
}

function subproblem({ identifier, failures, unpauseToken }: RefusedName): Subproblem {
  const since = `${failures} validations failed in a row`;
  return { code: 'rateLimited', detail: unpauseToken === undefined ? since : `paused: ${since}`, identifier };
}
