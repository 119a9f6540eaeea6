import type { AgentStates } from '#adapters/dynamodb/agent-states.ts';
import type { AgentStore } from '#adapters/postgres/agents.ts';
import type { MirroredAgent, OutboxStore } from '#adapters/postgres/outbox.ts';
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
export function agentTeller(ports: {
  readonly states: Pick<AgentStates, 'tell'>;
  readonly outbox: Pick<OutboxStore, 'agents' | 'agentsMirrored'>;
  readonly hintConnector?: HintConnector;
}): (ids: readonly string[]) => Promise<void> {
  const lost = (agentIds: readonly string[], error: unknown): void =>
    log.warn('agents were not told of their work; the dispatcher will', { agentIds, error: error as Error });
  return async (ids) => {
    if (ids.length === 0) return;
    try {
      const left = [...(await ports.outbox.agents([...new Set(ids)]))];
      const told: MirroredAgent[] = [];
      const next = async (): Promise<void> => {
        for (let agent = left.pop(); agent !== undefined; agent = left.pop()) {
          try {
            await (agent.id === connectorAgentId ? ports.hintConnector?.() : ports.states.tell(agent));
            told.push(agent);
          } catch (error) {
            lost([agent.id], error);
          }
        }
      };
      await Promise.all(Array.from({ length: 8 }, next));
      await ports.outbox.agentsMirrored(told);
    } catch (error) {
      lost(ids, error);
    }
  };
}
