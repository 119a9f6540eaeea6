import { createHash } from 'node:crypto';
import { getAgent, listAgents, retireAgent, type AgentBody } from '#contract/agents.ts';
import type { AgentStates } from '#adapters/dynamodb/agent-states.ts';
import type { AgentRecord, AgentStore } from '#adapters/postgres/agents.ts';
import { CaError } from '#domain/error.ts';
import type { Wake } from '../shared/wake.ts';
import { serve, serveList, type Served } from './router.ts';

export interface AgentPorts {
  readonly store: AgentStore;
  readonly states: Pick<AgentStates, 'heard' | 'away'>;
  readonly tell: (agentIds: readonly string[]) => Promise<void>;
  readonly wake: Wake;
  readonly now: () => number;
}

/** The operations of `contract/agents.ts`. */
export function agentOperations(ports: AgentPorts): readonly Served[] {
  const existing = async (id: string): Promise<AgentRecord> => {
    const agent = await ports.store.find(id);
    if (agent === undefined) throw new CaError('notFound', 'no such agent');
    return agent;
  };
  return [
    serveList(
      listAgents,
      async ({ query: { name, status }, page }) => {
        const { rows, next } = await ports.store.list(page, { name, status });
        const heard = await ports.states.heard(rows.map(({ id }) => id));
        return { rows: rows.map((agent) => show(agent, heard)), next };
      },
      (agent) => agent,
    ),
    serve(getAgent, async ({ params }) => show(await existing(params.id), await ports.states.heard([params.id]))),
    serve(retireAgent, async ({ params, body, caller }) => {
      if (body.force && body.reason.trim() === '') throw new CaError('malformed', 'the body: reason: is wanted with force');
      await ports.wake('notificationProcess', 'renewalCheck');
      const end = await ports.store.retire(params.id, body.reason, body.force, caller?.id ?? '');
      if (end === 'dependents') {
        const left = await ports.store.dependents(params.id);
        throw new CaError(
          'conflict',
          `the agent has ${left.activeTargets} targets, ${left.activeCertificates} certificates and ${left.pendingJobs} open jobs; force ends them too`,
        );
      }
      const agent = await existing(params.id);
      await ports.tell([agent.id]);
      await ports.states.away(agent.id, ports.now());
      return show(agent, new Map());
    }),
  ];
}

function show(agent: AgentRecord, heard: ReadonlyMap<string, number>): AgentBody {
  const beat = heard.get(agent.id);
  return {
    id: agent.id,
    name: agent.name,
    hostname: agent.hostname,
    status: agent.status,
    status_reason: agent.statusReason ?? null,
    os: agent.os,
    architecture: agent.architecture,
    version: agent.version,
    ip_address: agent.ipAddress ?? null,
    capabilities: [...agent.capabilities],
    clock_skew_seconds: agent.clockSkew,
    key_fingerprint: createHash('sha256').update(agent.publicKey).digest('hex'),
    last_heartbeat_at: (beat === undefined ? agent.lastSeenAt : new Date(beat)).toISOString(),
    registered_at: agent.registeredAt.toISOString(),
    retired_at: agent.retiredAt?.toISOString() ?? null,
    retired_reason: agent.retiredReason ?? null,
  };
}
