import * as z from 'zod';
import { isVersionRange } from '#domain/agent/group.ts';
import { isNetwork } from '#domain/x509/ip-address.ts';
import { agentId } from './agents.ts';
import { collection } from './collection.ts';
import { list } from './list.ts';
import { nothing, route } from './route.ts';

export const agentGroupId = z.string().regex(/^ag-[0-9a-z-]{1,60}$/, 'the id of a group of agents');

const fields = {
  name: z.string().min(1).max(128).describe('What the group is called'),
  description: z.string().max(1000).default('').describe('What it is for'),
  match_os: z.string().min(1).max(64).nullable().default(null).describe('As agents say it, e.g. `linux`; null: any'),
  match_architecture: z.string().min(1).max(64).nullable().default(null).describe('As agents say it, e.g. `x64`; null: any'),
  match_ip_cidr: z
    .union([z.cidrv4(), z.cidrv6()])
    .refine(isNetwork, 'bits beyond the prefix must be zero, as in 10.0.0.0/8')
    .nullable()
    .default(null)
    .describe('Range of addresses that an agent reaches the platform from; null: any'),
  match_version: z
    .string()
    .min(1)
    .max(128)
    .refine(isVersionRange, 'a range of versions, e.g. >=1.2 <2')
    .nullable()
    .default(null)
    .describe('Range of versions of the agent, e.g. `>=1.2 <2`, or how they begin, e.g. `1.10`; null: any'),
};

export const agentGroup = z.strictObject({
  id: agentGroupId,
  name: z.string(),
  description: z.string(),
  match_os: z.string().nullable(),
  match_architecture: z.string().nullable(),
  match_ip_cidr: z.string().nullable(),
  match_version: z.string().nullable(),
  included: z.array(agentId).describe('Agents that belong to it whatever the criteria say'),
  excluded: z.array(agentId).describe('Agents that do not, whatever the criteria say'),
  version: z.number().int(),
  created_at: z.string(),
  updated_at: z.string(),
});

export const {
  list: listAgentGroups,
  get: getAgentGroup,
  create: createAgentGroup,
  replace: replaceAgentGroup,
  remove: deleteAgentGroup,
} = collection({
  singular: 'AgentGroup',
  plural: 'AgentGroups',
  noun: 'agent-groups',
  path: '/api/v1/agent-groups',
  one: 'a group of agents',
  many: 'groups of agents',
  id: agentGroupId,
  fields,
  item: agentGroup,
  filters: {},
  sorts: ['name', 'created_at'],
  permissions: { read: 'agent.read', edit: 'agent.edit', remove: 'agent.edit' },
  hints: { create: 'agents that meet all its criteria belong to it, and whoever is put there', remove: 'its agents stay' },
});

export const agentGroupMember = z.strictObject({
  agent: agentId,
  name: z.string(),
  os: z.string(),
  architecture: z.string(),
  version: z.string(),
  ip_address: z.string().nullable(),
  membership: z.enum(['included', 'matched']).describe('`included` by hand, or `matched` by the criteria'),
});

export const listAgentGroupMembers = route(
  list({
    operation: 'listAgentGroupMembers',
    command: 'agent-groups members',
    path: '/api/v1/agent-groups/{id}/members',
    summary: 'Agents that belong to a group by now, those that are retired left out',
    permission: 'agent.read',
    params: z.strictObject({ id: agentGroupId }),
    filters: {},
    item: agentGroupMember,
    sorts: ['name'],
  }),
);

const word = { params: z.strictObject({ id: agentGroupId, agent_id: agentId }), query: nothing, answer: agentGroup, status: 200 } as const;

export const setAgentGroupMember = route({
  ...word,
  operation: 'setAgentGroupMember',
  command: 'agent-groups set-member',
  method: 'PUT',
  path: '/api/v1/agent-groups/{id}/members/{agent_id}',
  summary: 'Puts an agent into a group, or keeps it out, whatever the criteria say',
  permission: 'agent.edit',
  body: z.strictObject({
    mode: z.enum(['include', 'exclude']).default('include').describe('`include` or `exclude`, whatever the criteria say'),
  }),
});

export const removeAgentGroupMember = route({
  ...word,
  operation: 'removeAgentGroupMember',
  command: 'agent-groups unset-member',
  method: 'DELETE',
  path: '/api/v1/agent-groups/{id}/members/{agent_id}',
  summary: 'Takes back what was said of an agent: the criteria of the group judge it again',
  permission: 'agent.edit',
  body: nothing,
});
