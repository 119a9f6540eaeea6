import * as z from 'zod';
import { agentKeyAlgorithms } from '#domain/agent/key-algorithm.ts';
import { discoveredId } from './discoveries.ts';
import { list } from './list.ts';
import { ownerId, teamId } from './people.ts';
import { nothing, route } from './route.ts';
import { targetId } from './targets.ts';
import { timestamp } from './timestamp.ts';

const id = z.string().regex(/^mc-[0-9a-z-]{1,60}$/, 'the id of a managed certificate');
const name = z.string().regex(/^[A-Za-z0-9._-]{1,128}$/, 'letters, digits, dots, underscores and hyphens, at most 128');

const environment = z.string().max(64).describe('Where it is used, e.g. `production`');
const tags = z
  .record(z.string().regex(/^[A-Za-z0-9_.:-]{1,64}$/), z.string().max(256))
  .refine((all) => Object.keys(all).length <= 50, 'at most 50 tags');
/** What certificates are chosen by, in lists and in bulk. */
const belongings = {
  profile: z.string().max(63).optional().describe('Id of the profile that it is issued by'),
  issuer: z.string().max(64).optional().describe('Id of who signs'),
  owner: ownerId.optional().describe('Id of who answers for it'),
  team: teamId.optional().describe('Id of the team that it belongs to'),
};
/** What of a certificate may be changed: its names, profile and issuer are what it is. */
const changeable = {
  policy: z.string().min(1).max(64).default('rp-default').describe('Id of the policy that says when it is renewed'),
  owner: ownerId.nullable().default(null).describe('Id of who answers for it'),
  team: teamId.nullable().default(null).describe('Id of the team that it belongs to'),
  environment: environment.default(''),
  tags: tags.default({}).describe('Whatever else is to know, name to value'),
};

export const certificate = z.strictObject({
  id,
  name,
  state: z
    .enum(['pending', 'active', 'held', 'revoked', 'archived'])
    .describe('`held`: suspended by certificateHold, until it is released or revoked'),
  health: z
    .enum(['pending', 'good', 'expiring', 'expired', 'renewing', 'failed', 'held', 'revoked', 'archived'])
    .describe('Computed from its versions and jobs: nothing writes it'),
  profile: z.string(),
  issuer: z.string(),
  policy: z.string(),
  key_source: z
    .enum(['csr', 'agent'])
    .describe('`csr`: whoever hands one in has the key; `agent`: each agent with a target makes a key of its own'),
  key_algorithm: z.string().nullable(),
  targets: z.array(z.string()).describe('Ids of targets'),
  deployment: z.enum(['none', 'pending', 'verified', 'failed']).describe('`verified`: each target was seen to serve what its agent has'),
  owner: z.string().nullable(),
  team: z.string().nullable(),
  environment: z.string(),
  tags: z.record(z.string(), z.string()),
  common_name: z.string().nullable(),
  sans: z.array(z.strictObject({ type: z.string(), value: z.string() })),
  serial: z.string().nullable(),
  not_before: z.string().nullable(),
  not_after: z.string().nullable(),
  renew_at: z.string().nullable(),
  last_error: z.string().nullable(),
  version: z.number().int(),
  created_at: z.string(),
  updated_at: z.string(),
});
export type CertificateBody = z.infer<typeof certificate>;

export const listCertificates = route(
  list({
    operation: 'listCertificates',
    command: 'certs list',
    path: '/api/v1/certificates',
    summary: 'Managed certificates, newest first',
    scope: 'rows',
    permission: 'cert.read',
    params: nothing,
    filters: {
      state: certificate.shape.state.optional(),
      ...belongings,
      policy: z.string().max(64).optional().describe('Id of the policy that says when it is renewed'),
      environment: environment.optional(),
      name: name.optional(),
      expires_after: timestamp.optional().describe('Only those that end later (RFC 3339)'),
      expires_before: timestamp.optional().describe('Only those that end earlier (RFC 3339)'),
    },
    item: certificate,
    sorts: ['-created_at', 'name', 'not_after'],
  }),
);

export const getCertificate = route({
  operation: 'getCertificate',
  command: 'certs get',
  method: 'GET',
  path: '/api/v1/certificates/{id}',
  summary: 'One managed certificate',
  scope: 'rows',
  permission: 'cert.read',
  params: z.strictObject({ id }),
  query: nothing,
  body: nothing,
  answer: certificate,
  status: 200,
  versioned: true,
});

export const createCertificate = route({
  operation: 'createCertificate',
  command: 'certs create',
  method: 'POST',
  path: '/api/v1/certificates',
  summary:
    'Keeps a certificate: of a CSR, which is signed again at each renewal unless keep_csr is off, or of keys that the agents of its targets make',
  scope: 'rows',
  permission: 'cert.issue',
  params: nothing,
  query: nothing,
  body: z
    .strictObject({
      name,
      profile: z.string().min(1).max(63).default('default').describe('Id of the profile that it is issued by'),
      issuer: z.string().min(1).max(64).default('iss-local').describe('Id of who signs'),
      ...changeable,
      csr: z.string().min(1).max(24_576).optional().describe('PEM, PKCS#10'),
      keep_csr: z.boolean().default(true).describe('Sign the same request again at each renewal: the key stays as it is'),
      targets: z.array(targetId).min(1).max(100).optional().describe('Instead of a CSR: ids of targets, whose agents make the keys'),
      names: z
        .array(z.string().min(1).max(512))
        .min(1)
        .max(100)
        .optional()
        .describe('With targets: `www.example.com`, `192.0.2.1`, or with a type: `email:a@example.com`, `uri:spiffe://…`'),
      key_algorithm: z
        .enum(agentKeyAlgorithms)
        .optional()
        .describe('With targets: the kind of key; ECDSA-P256, or the like of the discovered certificate'),
      discovered: discoveredId
        .optional()
        .describe('Id of a discovered certificate whose place it takes, which is claimed; without names its names are those'),
    })
    .refine(({ csr, targets }) => (csr === undefined) !== (targets === undefined), { message: 'either csr or targets', path: ['csr'] })
    .refine(({ names, targets, discovered }) => (targets === undefined ? names === undefined : (names ?? discovered) !== undefined), {
      message: 'belongs to targets, and targets to it, or to discovered',
      path: ['names'],
    }),
  answer: z.strictObject({
    certificate,
    job: z.string(),
    jobs: z.array(z.string()).describe('One for each agent that makes a key'),
  }),
  status: 202,
});

export const renewCertificate = route({
  operation: 'renewCertificate',
  command: 'certs renew',
  method: 'POST',
  path: '/api/v1/certificates/{id}/renew',
  summary: 'Renews a certificate now, also one that has expired; joins a renewal that is under way',
  scope: 'rows',
  permission: 'cert.issue',
  params: z.strictObject({ id }),
  query: nothing,
  body: nothing,
  answer: z.strictObject({ job: z.string() }),
  status: 202,
});

export const replaceCertificate = route({
  operation: 'replaceCertificate',
  command: 'certs replace',
  method: 'PUT',
  path: '/api/v1/certificates/{id}',
  summary: 'Replaces what may change: policy, owner, team, environment, tags; names, profile and issuer stay',
  scope: 'rows',
  permission: 'cert.edit',
  params: z.strictObject({ id }),
  query: nothing,
  body: z.strictObject(changeable),
  answer: certificate,
  status: 200,
  versioned: true,
});

export const replaceCertificateTargets = route({
  operation: 'replaceCertificateTargets',
  command: 'certs set-targets',
  method: 'PUT',
  path: '/api/v1/certificates/{id}/targets',
  summary:
    'Makes these the targets of a certificate: what agents have goes to their new targets, new agents make keys; what lies at a target that is left out stays there and is not renewed',
  scope: 'rows',
  permission: 'cert.issue',
  params: z.strictObject({ id }),
  query: nothing,
  body: z.strictObject({
    targets: z.array(targetId).min(1).max(100).describe('Ids of all its targets, of those that it has already, too'),
  }),
  answer: certificate,
  status: 200,
  versioned: true,
});

export const reasons = [
  'unspecified',
  'keyCompromise',
  'caCompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  'privilegeWithdrawn',
] as const;
const reason = z.enum(reasons);

export const revokeCertificate = route({
  operation: 'revokeCertificate',
  command: 'certs revoke',
  method: 'POST',
  path: '/api/v1/certificates/{id}/revoke',
  summary: 'Revokes every version that has not ended, or holds it by certificateHold; only a hold can be taken back',
  scope: 'rows',
  permission: 'cert.revoke',
  params: z.strictObject({ id }),
  query: nothing,
  body: z.strictObject({ reason: reason.describe('Why it is revoked (RFC 5280 §5.3.1)') }),
  answer: certificate,
  status: 200,
});

export const releaseCertificate = route({
  operation: 'releaseCertificate',
  command: 'certs release',
  method: 'POST',
  path: '/api/v1/certificates/{id}/release',
  summary: 'Takes a hold back: the certificate is good again, leaves the next CRL, and is renewed when its policy says',
  scope: 'rows',
  permission: 'cert.revoke',
  params: z.strictObject({ id }),
  query: nothing,
  body: nothing,
  answer: certificate,
  status: 200,
});

const criteria = {
  ids: z.array(id).min(1).max(1000).optional().describe('These certificates'),
  ...belongings,
  environment: environment.min(1).optional(),
};
const bulkBody = {
  dry_run: z.boolean().default(false).describe('Looks who would be met, and changes nothing'),
};
/** All that is said must hold, and something must be said. */
function some<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<typeof criteria & typeof bulkBody & Shape, z.core.$strict> {
  return z.strictObject({ ...criteria, ...bulkBody, ...shape }).refine((body) => Object.keys(criteria).some((name) => name in body), {
    message: `say which: ${Object.keys(criteria).join(', ')}`,
  });
}
const bulkAnswer = z.strictObject({
  dry_run: z.boolean(),
  matched: z.number().int(),
  done: z.number().int(),
  skipped: z.array(z.strictObject({ id: z.string(), reason: z.string() })).describe('What was left as it is, each with the reason'),
  ids: z.array(z.string()),
});
export type BulkAnswer = z.infer<typeof bulkAnswer>;
const bulk = { method: 'POST', params: nothing, query: nothing, answer: bulkAnswer, status: 200, scope: 'rows' } as const;

export const bulkRevokeCertificates = route({
  ...bulk,
  operation: 'bulkRevokeCertificates',
  command: 'certs bulk-revoke',
  path: '/api/v1/certificates/bulk-revoke',
  summary: 'Revokes up to 1000 certificates that meet all criteria; more are refused, and dry_run only looks',
  permission: 'cert.bulk_revoke',
  body: some({ reason: reason.describe('Why it is revoked (RFC 5280 §5.3.1)') }),
});

export const bulkRenewCertificates = route({
  ...bulk,
  operation: 'bulkRenewCertificates',
  command: 'certs bulk-renew',
  path: '/api/v1/certificates/bulk-renew',
  summary: 'Renews up to 1000 certificates that meet all criteria; more are refused, and dry_run only looks',
  permission: 'cert.issue',
  body: some({}),
});

export const bulkReassignCertificates = route({
  ...bulk,
  operation: 'bulkReassignCertificates',
  command: 'certs bulk-reassign',
  path: '/api/v1/certificates/bulk-reassign',
  summary: 'Gives up to 1000 certificates that meet all criteria to another owner, and with them to a team',
  permission: 'cert.edit',
  body: some({
    new_owner: ownerId.describe('Id of who answers for them from now on'),
    new_team: teamId.optional().describe('Id of the team that they belong to from now on'),
  }),
});

export const archiveCertificate = route({
  operation: 'archiveCertificate',
  command: 'certs archive',
  method: 'DELETE',
  path: '/api/v1/certificates/{id}',
  summary: 'Archives a certificate: it is kept, and renewed no more; there is no way back',
  scope: 'rows',
  permission: 'cert.delete',
  params: z.strictObject({ id }),
  query: nothing,
  body: nothing,
  answer: certificate,
  status: 200,
});

export const listVersions = route({
  operation: 'listVersions',
  command: 'certs versions',
  method: 'GET',
  path: '/api/v1/certificates/{id}/versions',
  summary: 'What was signed for a certificate, newest first, with its chain as PEM',
  scope: 'rows',
  permission: 'cert.read',
  params: z.strictObject({ id }),
  query: nothing,
  body: nothing,
  answer: z.strictObject({
    items: z.array(
      z.strictObject({
        id: z.string(),
        serial: z.string(),
        not_before: z.string(),
        not_after: z.string(),
        current: z.boolean(),
        orphan: z.boolean(),
        pem: z.string().describe('PEM, the certificate first'),
      }),
    ),
  }),
  status: 200,
});
