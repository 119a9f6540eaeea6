import * as z from 'zod';
import { failureClasses } from '#domain/agent/work.ts';
import { jobStatuses } from '#domain/job/job.ts';
import { agentGroupId } from './agent-groups.ts';
import { agentId } from './agents.ts';
import { list } from './list.ts';
import { nothing, route } from './route.ts';
import { targetId } from './targets.ts';

const id = z.string().regex(/^dep-[0-9a-z-]{1,60}$/, 'the id of a deployment');
const certificateId = z.string().regex(/^mc-[0-9a-z-]{1,60}$/, 'the id of a managed certificate');

export const deployment = z.strictObject({
  id,
  certificate: certificateId,
  version: z.string().describe('Id of the version'),
  target: targetId,
  agent: z.string(),
  reason: z.enum(['issued', 'renewed', 'requested', 'repair']),
  job: z.string(),
  status: z
    .enum(jobStatuses)
    .describe('Of the job: `completed` only when the server was seen to serve the version, or its target says that nobody shall look'),
  attempts: z.number().int(),
  failure_class: z.enum(failureClasses).nullable().describe('The step of the pipeline that failed in the last attempt'),
  detail: z.string().nullable(),
  idempotent: z.boolean().nullable().describe('All was in place already'),
  rolled_back: z.boolean().nullable(),
  verified_at: z.string().nullable(),
  observed_fingerprint: z.string().nullable().describe('SHA-256 of the certificate that was served afterwards, hex'),
  duration_ms: z.number().int().nullable(),
  backup_paths: z.array(z.string()).describe('On the host'),
  created_at: z.string(),
});
export type DeploymentBody = z.infer<typeof deployment>;

export const listDeployments = route(
  list({
    operation: 'listDeployments',
    command: 'deployments list',
    path: '/api/v1/deployments',
    summary: 'Deployments, newest first',
    permission: 'target.read',
    params: nothing,
    filters: {
      certificate: certificateId.optional(),
      target: targetId.optional().describe('Only to this target'),
      agent: agentId.optional(),
    },
    item: deployment,
    sorts: ['-created_at'],
  }),
);

export const getDeployment = route({
  operation: 'getDeployment',
  command: 'deployments get',
  method: 'GET',
  path: '/api/v1/deployments/{id}',
  summary: 'One deployment',
  permission: 'target.read',
  params: z.strictObject({ id }),
  query: nothing,
  body: nothing,
  answer: deployment,
  status: 200,
});

export const deployCertificate = route({
  operation: 'deployCertificate',
  command: 'deployments create',
  method: 'POST',
  path: '/api/v1/certificates/{id}/deploy',
  summary: 'Deploys what its agents have to all targets of a certificate, to one, or to those of a group of agents',
  permission: 'cert.deploy',
  params: z.strictObject({ id: certificateId }),
  query: nothing,
  body: z.strictObject({
    target: targetId.nullable().default(null).describe('Only to this target; with neither of the two: to all'),
    group: agentGroupId.nullable().default(null).describe('Only to targets of the agents of this group'),
  }),
  answer: z.strictObject({ items: z.array(z.strictObject({ deployment: z.string(), job: z.string() })) }),
  status: 202,
});
