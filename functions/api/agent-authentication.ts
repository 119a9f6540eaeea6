import type { AgentState, AgentStates } from '#adapters/dynamodb/agent-states.ts';
import { claimedKeyId, verifyRequest } from '#domain/agent/message-signature.ts';
import { CaError } from '#domain/error.ts';
import type { HttpRequest } from '../shared/http.ts';

/** An agent whose signature was verified, as it was known when it asked. */
export interface ProvenAgent extends AgentState {
  readonly id: string;
}

/**
 * Finds out which agent sent a request: by a signature of the key that belongs to that agent and to no other. PostgreSQL is not asked.
 *
 * @returns throws {CaError} `unauthenticated`, `unauthorized` when the path names another agent, `gone` when the agent is retired
 */
export function agentAuthentication(ports: {
  readonly states: Pick<AgentStates, 'read'>;
  readonly now: () => number;
}): (request: HttpRequest, pathId: string) => Promise<ProvenAgent> {
  return async (request, pathId) => {
    const id = claimedKeyId(request.headers);
    const state = await ports.states.read(id);
    if (state === undefined) throw new CaError('unauthenticated', 'no agent has this key');
    verifyRequest(request, request.headers, state.publicKey, Math.floor(ports.now() / 1000));
    if (id !== pathId) throw new CaError('unauthorized', 'an agent speaks for itself alone');
    if (state.retired) throw new CaError('gone', 'the agent is retired');
    return { ...state, id };
  };
}
