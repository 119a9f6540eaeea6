import * as z from 'zod';
import { agentGroupId } from './agent-groups.ts';
import { agentId } from './agents.ts';
import { list } from './list.ts';
import { nothing, route } from './route.ts';

const id = z.string().regex(/^et-[0-9a-z-]{1,60}$/, 'the id of an enrolment token');

export const enrolmentToken = z.strictObject({
  id,
  token_prefix: z.string().describe('How the secret begins, to tell tokens apart'),
  description: z.string(),
  name_pattern: z.string().nullable(),
  agent: z.string().nullable(),
  group: z.string().nullable(),
  max_uses: z.number().int(),
  uses: z.number().int(),
  expires_at: z.string(),
  revoked_at: z.string().nullable(),
  created_by: z.string(),
  created_at: z.string(),
});
export type EnrolmentTokenBody = z.infer<typeof enrolmentToken>;

export const listEnrolmentTokens = route(
  list({
    operation: 'listEnrolmentTokens',
    command: 'enrolment-tokens list',
    path: '/api/v1/agent-enrolment-tokens',
    summary: 'Enrolment tokens, newest first, without their secrets',
    permission: 'agent.read',
    params: nothing,
    filters: { agent: agentId.optional() },
    item: enrolmentToken,
    sorts: ['-created_at', 'expires_at'],
  }),
);

export const createEnrolmentToken = route({
  operation: 'createEnrolmentToken',
  command: 'enrolment-tokens create',
  method: 'POST',
  path: '/api/v1/agent-enrolment-tokens',
  summary: 'Makes a token with which hosts become agents; it is shown in this answer and never again',
  permission: 'agent.edit',
  params: nothing,
  query: nothing,
  body: z.strictObject({
    description: z.string().max(1000).default('').describe('Which hosts it is for'),
    name_pattern: z
      .string()
      .regex(/^[A-Za-z0-9._*-]{1,128}$/, 'letters, digits, dots, underscores, hyphens and *')
      .nullable()
      .default(null)
      .describe('Names that it admits; `*` stands for any characters'),
    agent: agentId.nullable().default(null).describe('An agent that shall come back under a new key; null: new agents'),
    group: agentGroupId.nullable().default(null).describe('The group that its agents are put into'),
    max_uses: z.number().int().min(1).max(10_000).default(1).describe('How many hosts it admits'),
    ttl_seconds: z
      .number()
      .int()
      .min(60)
      .max(90 * 86_400)
      .default(3600)
      .describe('How long it may be used, in seconds'),
  }),
  answer: enrolmentToken.extend({ token: z.string() }),
  status: 201,
});

export const revokeEnrolmentToken = route({
  operation: 'revokeEnrolmentToken',
  command: 'enrolment-tokens revoke',
  method: 'DELETE',
  path: '/api/v1/agent-enrolment-tokens/{id}',
  summary: 'Revokes an enrolment token; agents that came by it stay',
  permission: 'agent.edit',
  params: z.strictObject({ id }),
  query: nothing,
  body: nothing,
  answer: enrolmentToken,
  status: 200,
});
