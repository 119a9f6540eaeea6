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
  status_reason: z.string().nullable().describe('Why it is degraded: clock_skew, version_too_old, deployment_failed, discovery_failed'),
  os: z.string(),
  architecture: z.string(),
  version: z.string(),
  ip_address: z.string().nullable(),
  capabilities: z.array(z.string()).describe('Target types that it can drive'),
  clock_skew_seconds: z.number().int().describe(`The host's clock less the platform's, in seconds.`),
  key_fingerprint: z.string().describe('SHA-256 of its public key, hex'),
  last_heartbeat_at: z.string().nullable().describe('To the minute, of its heartbeats'),
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
    filters: {
      name: z.string().max(128).optional().describe('Only the agent of this name'),
      status: agent.shape.status.optional().describe('Only agents of this status'),
    },
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
    force: z.boolean().default(false).describe('Also while certificates or targets depend on it'),
    reason: z.string().max(1000).default('').describe('Wanted with force'),
  }),
  answer: agent,
  status: 200,
});
