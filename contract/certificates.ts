import * as z from 'zod';
import { agentKeyAlgorithms } from '#domain/agent/csr-order.ts';
import { nothing, route } from './route.ts';
import { targetId } from './targets.ts';

const id = z.string().regex(/^mc-[0-9a-z-]{1,60}$/, 'the id of a managed certificate');
const name = z.string().regex(/^[A-Za-z0-9._-]{1,128}$/, 'letters, digits, dots, underscores and hyphens, at most 128');

export const certificate = z.strictObject({
  id,
  name,
  state: z.enum(['pending', 'active', 'revoked', 'archived']),
  /** Computed from its versions and jobs: nothing writes it. */
  health: z.enum(['pending', 'good', 'expiring', 'expired', 'renewing', 'failed', 'revoked', 'archived']),
  profile: z.string(),
  issuer: z.string(),
  policy: z.string(),
  /** `csr`: whoever hands one in has the key; `agent`: each agent with a target makes a key of its own. */
  key_source: z.enum(['csr', 'agent']),
  key_algorithm: z.string().nullable(),
  /** Ids of targets. */
  targets: z.array(z.string()),
  /** `verified`: each target was seen to serve what its agent has. */
  deployment: z.enum(['none', 'pending', 'verified', 'failed']),
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

export const listCertificates = route({
  operation: 'listCertificates',
  command: 'certs list',
  method: 'GET',
  path: '/api/v1/certificates',
  summary: 'Managed certificates, newest first',
  scope: 'rows',
  permission: 'cert.read',
  params: nothing,
  query: z.strictObject({ cursor: id.optional(), limit: z.coerce.number().int().min(1).max(100).default(100) }),
  body: nothing,
  answer: z.strictObject({ items: z.array(certificate), next_cursor: id.nullable() }),
  status: 200,
});

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
      profile: z.string().min(1).max(63).default('default'),
      issuer: z.string().min(1).max(64).default('iss-local'),
      policy: z.string().min(1).max(64).default('rp-default'),
      /** PEM, PKCS#10. */
      csr: z.string().min(1).max(24_576).optional(),
      /** Sign the same request again at each renewal: the key stays as it is. */
      keep_csr: z.boolean().default(true),
      /** Instead of a CSR: ids of targets, whose agents make the keys. */
      targets: z.array(targetId).min(1).max(100).optional(),
      /** With targets: `www.example.com`, `192.0.2.1`, or with a type: `email:a@example.com`, `uri:spiffe://…`. */
      names: z.array(z.string().min(1).max(512)).min(1).max(100).optional(),
      /** With targets: the kind of key. */
      key_algorithm: z.enum(agentKeyAlgorithms).default('ECDSA-P256'),
    })
    .refine(({ csr, targets }) => (csr === undefined) !== (targets === undefined), { message: 'either csr or targets', path: ['csr'] })
    .refine(({ names, targets }) => (names === undefined) === (targets === undefined), {
      message: 'belongs to targets, and targets to it',
      path: ['names'],
    }),
  answer: z.strictObject({
    certificate,
    job: z.string(),
    /** One for each agent that makes a key. */
    jobs: z.array(z.string()),
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
        /** PEM, the certificate first. */
        pem: z.string(),
      }),
    ),
  }),
  status: 200,
});
