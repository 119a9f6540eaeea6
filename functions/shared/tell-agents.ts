import type { AgentStates } from '#adapters/dynamodb/agent-states.ts';
import type { AgentStore } from '#adapters/postgres/agents.ts';
import type { OutboxStore } from '#adapters/postgres/outbox.ts';
import { connectorAgentId } from '#domain/agent/connector.ts';
import { log } from './log.ts';

export interface TellPorts {
  readonly agents: Pick<AgentStore, 'find'>;
  readonly states: Pick<AgentStates, 'tell'>;
}

/** The connector does not poll: who tells it hints at its jobs, or leaves that to the job processor. */
export type HintConnector = () => Promise<void>;

/** Mirrors one agent and says that there may be work for it. */
export async function tellAgent(ports: TellPorts, id: string): Promise<void> {
  if (id === connectorAgentId) return;
  const agent = await ports.agents.find(id);
  if (agent === undefined) return;
  await ports.states.tell({ id, name: agent.name, publicKey: agent.publicKey, retired: agent.retiredAt !== undefined });
}

/**
 * Tells agents of what was just committed for them: they look for work at their next poll. Best effort; what is lost the outbox still has, and its
 * dispatcher repairs it within a minute.
 */
export function agentTeller(
  ports: TellPorts & { readonly outbox: Pick<OutboxStore, 'newest' | 'mirrored'>; readonly hintConnector?: HintConnector },
): (ids: readonly string[]) => Promise<void> {
  const one = async (id: string): Promise<void> => {
    try {
      const upTo = await ports.outbox.newest('agent', id);
      await (id === connectorAgentId ? ports.hintConnector?.() : tellAgent(ports, id));
      if (upTo !== undefined) await ports.outbox.mirrored('agent', id, upTo);
    } catch (error) {
      log.warn('an agent was not told of its work; the dispatcher will', { agentId: id, error: error as Error });
    }
  };
  return async (ids) => {
    const left = [...new Set(ids)];
    const next = async (): Promise<void> => {
      for (let id = left.pop(); id !== undefined; id = left.pop()) await one(id);
    };
    await Promise.all(Array.from({ length: 8 }, next));
  };
}
