import type { AgentState, AgentStates } from '#adapters/dynamodb/agent-states.ts';
import { claimedKeyId, verifyRequest } from '#domain/agent/message-signature.ts';
import { boundedMap } from '#adapters/dynamodb/bounded-map.ts';
import { CaError } from '#domain/error.ts';
import type { HttpRequest } from '../shared/http.ts';

/** An agent whose signature was verified, as it was known when it asked. */
export interface ProvenAgent extends AgentState {
  readonly id: string;
}

const mostRemembered = 10_000;

/**
 * Finds out which agent sent a request: by a signature of the key that belongs to that agent and to no other. PostgreSQL is not asked.
 *
 * @returns throws {CaError} `unauthenticated`, `unauthorized` when the path names another agent, `gone` when the agent is retired. With `remembered`
 *   the agent may be as it was at an earlier call: the operation sees to it that its key still holds.
 */
export function agentAuthentication(ports: {
  readonly states: Pick<AgentStates, 'read'>;
  readonly now: () => number;
}): (request: HttpRequest, pathId: string, remembered: boolean) => Promise<ProvenAgent> {
  const known = boundedMap<AgentState>(mostRemembered);
  const proven = (request: HttpRequest, id: string, state: AgentState, pathId: string): ProvenAgent => {
    verifyRequest(request, request.headers, state.publicKey, Math.floor(ports.now() / 1000));
    if (id !== pathId) throw new CaError('unauthorized', 'an agent speaks for itself alone');
    if (state.retired) throw new CaError('gone', 'the agent is retired');
    return { ...state, id };
  };
  return async (request, pathId, remembered) => {
    const id = claimedKeyId(request.headers);
    const before = remembered ? known.get(id) : undefined;
    if (before !== undefined) {
      try {
        return proven(request, id, before, pathId);
      } catch {
        // It may have another key by now: what is there decides.
      }
    }
    const state = await ports.states.read(id);
    if (state === undefined) throw new CaError('unauthenticated', 'no agent has this key');
    const agent = proven(request, id, state, pathId);
    known.set(id, state);
    return agent;
  };
}
