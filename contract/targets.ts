import * as z from 'zod';
import { driftPolicies, inspectionOutcomes } from '#domain/agent/inspection.ts';
import { failureClasses } from '#domain/agent/work.ts';
import { agentId } from './agents.ts';
import { list } from './list.ts';
import { nothing, route } from './route.ts';

export const targetId = z.string().regex(/^tgt-[0-9a-z-]{1,60}$/, 'the id of a target');
const name = z.string().regex(/^[A-Za-z0-9._-]{1,128}$/, 'letters, digits, dots, underscores and hyphens, at most 128');
const params = z.strictObject({ id: targetId });
const config = z.record(z.string().max(64), z.unknown());

/** What an agent saw of a target, and whether a deployment could be made. */
const inspection = z.strictObject({
  outcome: z
    .enum(inspectionOutcomes)
    .nullable()
    .describe(
      '`unreachable`: nobody answered, so nothing is known; `deploying`: not judged, for a deployment has not ended; null: not looked at since a deployment that nobody verifies',
    ),
  at: z.string().nullable(),
  expected_fingerprint: z.string().nullable().describe('SHA-256 of the certificate that was last verified in place, hex'),
  observed_fingerprint: z.string().nullable(),
  observed_source: z
    .enum(['served', 'stored'])
    .nullable()
    .describe('`served` over TLS, or `stored` where the configuration says that nobody looks'),
  observed_serial: z.string().nullable(),
  observed_not_after: z.string().nullable(),
  drifted_since: z.string().nullable(),
  ready: z.boolean().nullable().describe('Configuration, rules of the host, paths and connection were as a deployment needs them'),
  failure_class: z.enum(failureClasses).nullable(),
  detail: z.string().nullable(),
});

/** What is done when a target serves another certificate than was deployed there, and how often its agent looks. */
const watch = {
  on_drift: z.enum(driftPolicies).default('report').describe('What is done where the server serves another certificate than was deployed'),
  inspect_every_seconds: z.number().int().min(300).max(604_800).default(86_400).describe('How often the agent looks'),
};

export const target = z.strictObject({
  id: targetId,
  name,
  type: z.string(),
  agent: agentId,
  config: z.record(z.string(), z.unknown()),
  reference: z
    .string()
    .nullable()
    .describe('What the target itself calls its certificate, e.g. an ARN; null: nothing was deployed yet, or it gives no names'),
  enabled: z.boolean(),
  counters: z
    .record(z.string(), z.number().int())
    .describe(
      'Attempts to deploy there, by how they ended: `succeeded`, of them `idempotent`; `failed`, and each class of failure; `rolled_back`. What never happened is left out',
    ),
  on_drift: z.enum(driftPolicies),
  inspect_every_seconds: z.number().int(),
  next_inspection_at: z
    .string()
    .nullable()
    .describe('When its agent looks next; null: nothing was deployed yet, or `on_drift` is `ignore`'),
  inspection,
  version: z.number().int(),
  retired_at: z.string().nullable(),
  retired_reason: z.string().nullable(),
  created_by: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
});
export type TargetBody = z.infer<typeof target>;

export const listTargets = route(
  list({
    operation: 'listTargets',
    command: 'targets list',
    path: '/api/v1/targets',
    summary: 'Deployment targets, newest first',
    permission: 'target.read',
    params: nothing,
    filters: { agent: agentId.optional(), type: z.string().max(64).optional().describe('Only targets of this type') },
    item: target,
    sorts: ['-created_at', 'name'],
  }),
);

export const getTarget = route({
  operation: 'getTarget',
  command: 'targets get',
  method: 'GET',
  path: '/api/v1/targets/{id}',
  summary: 'One deployment target',
  permission: 'target.read',
  params,
  query: nothing,
  body: nothing,
  answer: target,
  status: 200,
  versioned: true,
});

export const createTarget = route({
  operation: 'createTarget',
  command: 'targets create',
  method: 'POST',
  path: '/api/v1/targets',
  summary: 'Says where an agent puts certificates; secrets are names that the host knows',
  permission: 'target.edit',
  params: nothing,
  query: nothing,
  body: z.strictObject({
    name,
    type: z.string().min(1).max(64).describe('E.g. `nginx`; docs/targets has one page for each'),
    agent: agentId,
    config: config.describe('Where and how, as its type says'),
    ...watch,
  }),
  answer: target,
  status: 201,
  versioned: true,
});

export const replaceTarget = route({
  operation: 'replaceTarget',
  command: 'targets replace',
  method: 'PUT',
  path: '/api/v1/targets/{id}',
  summary: 'Replaces name, configuration, what is done about drift, and whether it is used',
  permission: 'target.edit',
  params,
  query: nothing,
  body: z.strictObject({
    name,
    config: config.describe('Where and how, as its type says'),
    enabled: z.boolean().default(true).describe('Off: nothing is deployed there'),
    ...watch,
  }),
  answer: target,
  status: 200,
  versioned: true,
});

export const retireTarget = route({
  operation: 'retireTarget',
  command: 'targets retire',
  method: 'DELETE',
  path: '/api/v1/targets/{id}',
  summary: 'Ends a target: nothing is deployed to it any more; what lies there stays',
  permission: 'target.edit',
  params,
  query: z.strictObject({ reason: z.string().max(1000).default('').describe('Why, for the audit trail') }),
  body: nothing,
  answer: target,
  status: 200,
});

export const testTarget = route({
  operation: 'testTarget',
  command: 'targets test',
  method: 'POST',
  path: '/api/v1/targets/{id}/test',
  summary:
    'Has the agent look at a target at its next poll and try what a deployment needs; when the job is completed, the target says what was found',
  permission: 'target.edit',
  params,
  query: nothing,
  body: nothing,
  answer: z.strictObject({ target: targetId, job: z.string() }),
  status: 202,
});
