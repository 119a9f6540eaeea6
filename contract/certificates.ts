import * as z from 'zod';
import { nothing, route } from './route.ts';

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
  summary: 'Has a CSR certified and keeps the certificate renewed; without keep_csr each renewal waits for a new CSR',
  scope: 'rows',
  permission: 'cert.issue',
  params: nothing,
  query: nothing,
  body: z.strictObject({
    name,
    profile: z.string().min(1).max(63).default('default'),
    issuer: z.string().min(1).max(64).default('iss-local'),
    policy: z.string().min(1).max(64).default('rp-default'),
    /** PEM, PKCS#10. */
    csr: z.string().min(1).max(24_576),
    /** Sign the same request again at each renewal: the key stays as it is. */
    keep_csr: z.boolean().default(true),
  }),
  answer: z.strictObject({ certificate, job: z.string() }),
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
