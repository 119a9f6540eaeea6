import * as z from 'zod';
import { nothing, route } from './route.ts';

export const signerKey = z.strictObject({
  id: z.string(),
  driver: z.enum(['sealed', 'kms']),
  algorithm: z.string(),
  public_key_pem: z.string(),
  state: z.enum(['free', 'used']),
  created_by: z.string(),
  created_at: z.string(),
});
export type SignerKeyBody = z.infer<typeof signerKey>;

export const listSignerKeys = route({
  operation: 'listSignerKeys',
  command: 'signer-keys list',
  method: 'GET',
  path: '/api/v1/signer-keys',
  summary: 'The keys that a CA may be given',
  permission: 'ca.hierarchy.manage',
  params: nothing,
  query: nothing,
  body: nothing,
  answer: z.strictObject({ data: z.array(signerKey) }),
  status: 200,
});

export const addSignerKey = route({
  operation: 'addSignerKey',
  command: 'signer-keys add',
  method: 'POST',
  path: '/api/v1/signer-keys',
  summary:
    'Registers the key of an existing root: one in KMS that the deployment names in caKeyArns, or a PKCS#8 key, which is sealed at once and never shown again',
  permission: 'ca.hierarchy.manage',
  params: nothing,
  query: nothing,
  body: z.discriminatedUnion('driver', [
    z.strictObject({ driver: z.literal('sealed'), private_key_pem: z.string().min(1).max(8192) }),
    z.strictObject({
      driver: z.literal('kms'),
      ref: z.string().regex(/^arn:aws(?:-[a-z]+)*:kms:[a-z0-9-]+:\d{12}:key\/[a-z0-9-]{1,64}$/, 'the ARN of a key'),
    }),
  ]),
  answer: signerKey,
  status: 201,
});
