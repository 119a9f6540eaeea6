import * as z from 'zod';
import { agentKeyAlgorithms } from '#domain/agent/key-algorithm.ts';
import { inspectedKeyTypes } from '#domain/agent/inspection.ts';
import { failureClasses } from '#domain/agent/work.ts';
import { agentId } from './agents.ts';
import { nothing, route } from './route.ts';

const params = z.strictObject({ id: agentId });
const jobId = z.string().regex(/^job-[0-9a-z-]{1,60}$/, 'the id of a job');
const jobParams = z.strictObject({ id: agentId, job_id: jobId });
const leaseToken = z.string().min(1).max(128);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
// PostgreSQL holds no text with a NUL in it.
const text = (max: number): z.ZodString =>
  z
    .string()
    .max(max)
    .regex(/^[^\0]*$/);

/** What an agent says of its host. */
const facts = {
  hostname: text(253).min(1).describe('The host, as it calls itself'),
  os: text(64).describe('E.g. `linux`'),
  architecture: text(64).describe('E.g. `x64`'),
  version: text(64).describe('Of the agent'),
  ip_address: z
    .union([z.ipv4(), z.ipv6()])
    .nullable()
    .default(null)
    .describe('An address of the host; null: the one that the platform sees'),
  capabilities: z.array(text(64)).max(64).describe('Target types that it can drive, and what else it can do: `inspection`, `quorum`'),
  clock: z.iso.datetime().describe(`The host's clock, RFC 3339.`),
};

/** When the agent shall come back; both in seconds, to be spread by ten per cent. */
const pace = { next_poll_seconds: z.number().int(), next_heartbeat_seconds: z.number().int(), server_time: z.string() };

export const enrolAgent = route({
  operation: 'enrolAgent',
  method: 'POST',
  path: '/api/v1/agents/enrol',
  summary: 'Makes a host an agent: the header X-Enrolment-Token admits it, and the request is signed by the key that becomes the agent’s',
  permission: 'enrolment',
  params: nothing,
  query: nothing,
  body: z.strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,128}$/, 'letters, digits, dots, underscores and hyphens, at most 128')
      .describe('What the agent is called'),
    public_key: z.base64().max(256).describe('SubjectPublicKeyInfo on P-256, DER in base64'),
    ...facts,
  }),
  answer: z.strictObject({ agent_id: agentId, name: z.string(), ...pace }),
  status: 201,
});

export const heartbeat = route({
  operation: 'agentHeartbeat',
  method: 'POST',
  path: '/api/v1/agents/{id}/heartbeat',
  summary: 'An agent says that it is there, and on what host',
  permission: 'agent',
  params,
  query: nothing,
  body: z.strictObject(facts),
  answer: z.strictObject(pace),
  status: 200,
  remembered: true,
});

const item = {
  job_id: z.string(),
  lease_token: z.string(),
  lease_expires_at: z.string(),
  attempt: z.number().int(),
};

export const workItem = z.discriminatedUnion('type', [
  z.strictObject({
    ...item,
    type: z.literal('csr'),
    certificate_id: z.string(),
    common_name: z.string().nullable(),
    sans: z.array(z.strictObject({ type: z.enum(['dns', 'ip', 'email', 'uri']), value: z.string() })),
    key_algorithm: z.enum(agentKeyAlgorithms),
    must_staple: z.boolean(),
  }),
  z.strictObject({
    ...item,
    type: z.literal('deployment'),
    certificate_id: z.string(),
    deployment_id: z.string(),
    version_id: z.string(),
    target_id: z.string(),
    target_type: z.string(),
    config: z.record(z.string(), z.unknown()),
    reference: z.string().optional().describe('What the target calls its certificate, e.g. an ARN; only where it gives names'),
  }),
  z.strictObject({
    ...item,
    type: z.literal('inspection'),
    target_id: z.string(),
    target_type: z.string(),
    config: z.record(z.string(), z.unknown()),
    reference: z.string().optional(),
    expected: z
      .array(sha256)
      .optional()
      .describe('SHA-256 of the certificates that may be there, for an agent with the capability `quorum` and a target that counts one'),
    key_type: z.enum(inspectedKeyTypes).nullable().describe('Of the certificate that ought to be there; null: whichever the server shows'),
  }),
]);
export type WorkItemBody = z.infer<typeof workItem>;

export const claimWork = route({
  operation: 'claimAgentWork',
  method: 'POST',
  path: '/api/v1/agents/{id}/work',
  summary: 'An agent claims jobs that are due, each under a lease, and hears when to ask again',
  permission: 'agent',
  params,
  query: nothing,
  body: z.strictObject({
    limit: z.number().int().min(1).max(20).default(4).describe('How many jobs at the most'),
    holding: z
      .array(jobId)
      .max(64)
      .optional()
      .describe('What it is at, when an answer may have been lost: any other job under a lease of its own becomes due at once'),
  }),
  answer: z.strictObject({ jobs: z.array(workItem), ...pace }),
  status: 200,
});

export const renewLease = route({
  operation: 'renewAgentLease',
  method: 'POST',
  path: '/api/v1/agents/{id}/jobs/{job_id}/lease',
  summary: 'An agent that is still at a job keeps its lease',
  permission: 'agent',
  params: jobParams,
  query: nothing,
  body: z.strictObject({ lease_token: leaseToken.describe('The lease of the job, as it was given with it') }),
  answer: z.strictObject({ lease_expires_at: z.string() }),
  status: 200,
});

export const submitAgentCsr = route({
  operation: 'submitAgentCsr',
  method: 'POST',
  path: '/api/v1/agents/{id}/jobs/{job_id}/csr',
  summary: 'An agent hands in the CSR of a key that it has made; the same one twice is one',
  permission: 'agent',
  params: jobParams,
  query: nothing,
  body: z.strictObject({
    lease_token: leaseToken.describe('The lease of the job, as it was given with it'),
    csr: z.string().min(1).max(24_576).describe('PEM, PKCS#10'),
  }),
  answer: z.strictObject({ status: z.literal('issuing'), ...pace }),
  status: 202,
});

export const pickUpCertificate = route({
  operation: 'pickUpAgentCertificate',
  method: 'GET',
  path: '/api/v1/agents/{id}/certificates/{version_id}',
  summary: 'A version that the agent has to deploy, with its chain',
  permission: 'agent',
  params: z.strictObject({ id: agentId, version_id: z.string().regex(/^cert-[0-9a-z-]{1,60}$/, 'the id of a version') }),
  query: nothing,
  body: nothing,
  answer: z.strictObject({
    fingerprint: z.string().describe('SHA-256 of the certificate, hex'),
    leaf_pem: z.string(),
    chain_pem: z.string(),
  }),
  status: 200,
});

export const reportJob = route({
  operation: 'reportAgentJob',
  method: 'POST',
  path: '/api/v1/agents/{id}/jobs/{job_id}/report',
  summary: 'An agent says how a job ended; the same report twice is one',
  permission: 'agent',
  params: jobParams,
  query: nothing,
  body: z.strictObject({
    lease_token: leaseToken.describe('The lease of the job, as it was given with it'),
    ok: z.boolean().describe('Whether it is done'),
    idempotent: z.boolean().default(false).describe('All was in place already'),
    rolled_back: z.boolean().default(false).describe('What was there before is there again'),
    failure_class: z.enum(failureClasses).nullable().default(null).describe('The step that failed'),
    detail: text(1000).nullable().default(null).describe('Why, for people'),
    backup_paths: z.array(text(4096)).max(20).default([]).describe('Where the files of before are kept on the host'),
    duration_ms: z.number().int().min(0).max(86_400_000).default(0).describe('How long it took'),
    observed_fingerprint: sha256
      .nullable()
      .default(null)
      .describe('SHA-256 of the certificate that the server served afterwards, hex; null: nobody looked'),
    reference: text(2048).min(1).optional().describe('What the target calls its certificate by now, e.g. an ARN'),
    observation: z
      .discriminatedUnion('source', [
        z.strictObject({
          source: z.enum(['served', 'stored']),
          fingerprint: sha256,
          serial: z
            .string()
            .regex(/^[0-9a-f]{1,40}$/)
            .nullable(),
          not_after: z.iso.datetime().nullable(),
        }),
        /** `empty`: nothing is stored there; `none`: nobody answered. */
        z.strictObject({ source: z.enum(['empty', 'none']) }),
      ])
      .optional()
      .describe('What was seen at a target, when the job was to look at it; then `ok` says whether a deployment could be made'),
  }),
  answer: z.strictObject({ status: z.string(), ...pace }),
  status: 200,
});
export type JobReport = z.input<typeof reportJob.body>;
