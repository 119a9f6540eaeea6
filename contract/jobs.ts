import * as z from 'zod';
import { jobStatuses, jobTypes } from '#domain/job/job.ts';
import { list } from './list.ts';
import { nothing, route } from './route.ts';

const id = z.string().regex(/^job-[0-9a-z-]{1,60}$/, 'the id of a job');

export const job = z.strictObject({
  id,
  type: z.enum(jobTypes),
  subject: z.string(),
  agent: z.string().nullable().describe(`Whose work it is; null: no agent's.`),
  status: z.enum(jobStatuses),
  retryable: z.boolean().describe('Failed, and to be tried again at run_at'),
  attempts: z.number().int(),
  max_attempts: z.number().int(),
  run_at: z.string(),
  state_entered_at: z.string(),
  last_error: z.string().nullable(),
  created_at: z.string(),
  completed_at: z.string().nullable(),
});
export type JobBody = z.infer<typeof job>;

export const listJobs = route(
  list({
    operation: 'listJobs',
    command: 'jobs list',
    path: '/api/v1/jobs',
    summary: 'Jobs, newest first',
    permission: 'job.read',
    params: nothing,
    filters: {
      status: job.shape.status.optional().describe('Only jobs of this status'),
      type: job.shape.type.optional().describe('Only jobs of this type'),
      subject: z.string().max(128).optional().describe('Only jobs about this one, e.g. the id of a certificate'),
    },
    item: job,
    sorts: ['-created_at', 'run_at'],
  }),
);

export const getJob = route({
  operation: 'getJob',
  command: 'jobs get',
  method: 'GET',
  path: '/api/v1/jobs/{id}',
  summary: 'One job',
  permission: 'job.read',
  params: z.strictObject({ id }),
  query: nothing,
  body: nothing,
  answer: job,
  status: 200,
});

export const cancelJob = route({
  operation: 'cancelJob',
  command: 'jobs cancel',
  method: 'POST',
  path: '/api/v1/jobs/{id}/cancel',
  summary: 'Cancels an issuance or renewal that waits or runs; what a CA signs meanwhile is kept aside for revocation',
  permission: 'job.cancel',
  params: z.strictObject({ id }),
  query: nothing,
  body: nothing,
  answer: job,
  status: 200,
});

export const retryJob = route({
  operation: 'retryJob',
  command: 'jobs retry',
  method: 'POST',
  path: '/api/v1/jobs/{id}/retry',
  summary:
    'Tries an issuance, a renewal or the word of a revocation to a CA elsewhere that has failed again, with all its attempts; one that lacks an approval is renewed instead',
  permission: 'job.cancel',
  params: z.strictObject({ id }),
  query: nothing,
  body: nothing,
  answer: job,
  status: 202,
});

export const submitCsr = route({
  operation: 'submitCsr',
  command: 'jobs submit-csr',
  method: 'POST',
  path: '/api/v1/jobs/{id}/csr',
  summary: 'Hands in the CSR that a job waits for',
  permission: 'cert.issue',
  params: z.strictObject({ id }),
  query: nothing,
  body: z.strictObject({
    csr: z.string().min(1).max(24_576).describe('PEM, PKCS#10'),
  }),
  answer: job,
  status: 202,
});
