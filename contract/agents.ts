import * as z from 'zod';
import { list } from './list.ts';
import { nothing, route } from './route.ts';

export const agentId = z.string().regex(/^agent-[0-9a-z-]{1,60}$/, 'the id of an agent');
const params = z.strictObject({ id: agentId });

export const agent = z.strictObject({
  id: agentId,
  name: z.string(),
  hostname: z.string(),
  status: z.enum(['online', 'offline', 'degraded']),
  /** Why it is degraded. */
  status_reason: z.string().nullable(),
  os: z.string(),
  architecture: z.string(),
  version: z.string(),
  ip_address: z.string().nullable(),
  /** Target types that it can drive. */
  capabilities: z.array(z.string()),
  /** The host's clock less the platform's, in seconds. */
  clock_skew_seconds: z.number().int(),
  /** SHA-256 of its public key, hex. */
  key_fingerprint: z.string(),
  /** To the minute, of its heartbeats. */
  last_heartbeat_at: z.string().nullable(),
  registered_at: z.string(),
  retired_at: z.string().nullable(),
  retired_reason: z.string().nullable(),
});
export type AgentBody = z.infer<typeof agent>;

export const listAgents = route(
  list({
    operation: 'listAgents',
    command: 'agents list',
    path: '/api/v1/agents',
    summary: 'Agents, newest first',
    permission: 'agent.read',
    params: nothing,
    filters: { name: z.string().max(128).optional(), status: agent.shape.status.optional() },
    item: agent,
    sorts: ['-registered_at', 'name'],
  }),
);

export const getAgent = route({
  operation: 'getAgent',
  command: 'agents get',
  method: 'GET',
  path: '/api/v1/agents/{id}',
  summary: 'One agent',
  permission: 'agent.read',
  params,
  query: nothing,
  body: nothing,
  answer: agent,
  status: 200,
});

export const retireAgent = route({
  operation: 'retireAgent',
  command: 'agents retire',
  method: 'POST',
  path: '/api/v1/agents/{id}/retire',
  summary: 'Ends an agent; with targets, certificates or jobs of its own only by force, which ends those too',
  permission: 'agent.edit',
  params,
  query: nothing,
  body: z.strictObject({
    force: z.boolean().default(false),
    /** Wanted with force. */
    reason: z.string().max(1000).default(''),
  }),
  answer: agent,
  status: 200,
});
