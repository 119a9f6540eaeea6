import * as z from 'zod';
import { nothing, route } from './route.ts';

const params = z.strictObject({ ca_id: z.string().max(63).describe('The id of a CA') });
const path = '/api/v1/certificate-authorities/{ca_id}/cross-certificates';

export const crossCertificate = z.strictObject({
  id: z.string(),
  ca_id: z.string(),
  chain_pem: z.string().describe('The cross-certificate first, then its issuers'),
  not_after: z.string(),
  created_by: z.string(),
  created_at: z.string(),
});
export type CrossCertificateBody = z.infer<typeof crossCertificate>;

export const listCrossCertificates = route({
  operation: 'listCrossCertificates',
  command: 'cas cross-certificates',
  method: 'GET',
  path,
  summary: 'Other certificates of a CA’s key, which make the alternate chains of ACME downloads',
  permission: 'ca.hierarchy.read',
  params,
  query: nothing,
  body: nothing,
  answer: z.strictObject({ items: z.array(crossCertificate) }),
  status: 200,
});

export const createCrossCertificate = route({
  operation: 'createCrossCertificate',
  command: 'cas cross-certify',
  method: 'POST',
  path,
  summary: 'Adds a certificate of a CA’s key that another CA made; downloads then link the chain to that CA',
  permission: 'ca.hierarchy.manage',
  params,
  query: nothing,
  body: z.strictObject({ chain_pem: z.string().min(1).max(65_536).describe('PEM: the certificates above it, nearest first') }),
  answer: crossCertificate,
  status: 201,
});
