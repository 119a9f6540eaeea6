import * as z from 'zod';
import { maxCrlShards } from '#domain/revocation/crl-scope.ts';
import { caKeyAlgorithms } from '#domain/x509/key-algorithm.ts';
import { dottedOid } from './object-identifier.ts';
import { nothing, route } from './route.ts';
import { timestamp } from './timestamp.ts';

const issuerParams = z.strictObject({ id: z.string().regex(/^iss-[0-9a-z-]{1,60}$/, 'the id of an issuer') });
const caId = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'the id of a CA');
const params = z.strictObject({ ca_id: caId });
const text = z.string().min(1).max(64);
// What is too long by a little is still within a request, however it is escaped: it is told what is wrong.
const pem = z.string().min(1).max(32_768);
const chain = z.string().min(1).max(49_152);

const subject = z.strictObject({
  common_name: text,
  organization: text.optional(),
  organizational_unit: text.optional(),
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, 'a country code of two letters')
    .optional(),
  locality: text.optional(),
  province: text.optional(),
});
/** `dns:example.com` or plainly `example.com`, `email:`, `uri:`, `ip:192.0.2.0/24`, `dn:O=Example`, `upn:`. */
const subtrees = z.array(z.string().max(512)).max(200).default([]);
const nameConstraints = z.array(z.strictObject({ permitted: subtrees, excluded: subtrees })).max(20);
const metadata = z
  .record(z.string().regex(/^[a-z0-9_.-]{1,64}$/), z.string().max(512))
  .refine((all) => Object.keys(all).length <= 32, 'at most 32 entries');

const caName = z.string().min(1).max(128);
const crlShards = z.number().int().min(1).max(maxCrlShards);

export const intermediate = z.strictObject({
  id: z.string(),
  owning_issuer_id: z.string().nullable(),
  parent_ca_id: z.string().nullable(),
  name: z.string(),
  subject: subject.partial(),
  state: z.enum(['created', 'active', 'retiring', 'retired', 'revoked']),
  algorithm: z.string(),
  cert_pem: z.string().nullable().describe('Null while its certificate is awaited'),
  key_driver_id: z.string().nullable(),
  not_before: z.string().nullable(),
  not_after: z.string().nullable(),
  path_len_constraint: z.number().int().nullable(),
  name_constraints: z.strictObject({ permitted: z.array(z.string()), excluded: z.array(z.string()) }),
  signs_leaves: z.boolean().describe('Whether leaves may be had from it now'),
  drain_until: z.string().nullable(),
  retired_at: z.string().nullable(),
  retire_note: z.string().nullable(),
  revoked_at: z.string().nullable(),
  revocation_reason: z.number().int().nullable(),
  crl_shards: z.number().int().describe('How many shards new certificates are spread over; 1: all name the complete CRL'),
  metadata: z.record(z.string(), z.string()),
  version: z.number().int(),
  created_at: z.string(),
  updated_at: z.string(),
});
export type IntermediateBody = z.infer<typeof intermediate>;

/** How many CAs stand above it in the list. */
const listed = intermediate.extend({ depth: z.number().int() });
export type ListedIntermediate = z.infer<typeof listed>;

export const createIntermediate = route({
  operation: 'createIntermediate',
  command: 'cas create',
  method: 'POST',
  path: '/api/v1/issuers/{id}/intermediates',
  summary: 'Registers a root with its key, signs a CA below another, or asks for one whose certificate somebody else will sign',
  permission: 'ca.hierarchy.manage',
  params: issuerParams,
  query: nothing,
  body: z.strictObject({
    name: caName.describe('What the CA is called'),
    root_cert_pem: pem.optional().describe('PEM: the certificate of a root, whose key key_driver_id is'),
    key_driver_id: z
      .string()
      .regex(/^key-[0-9a-f]{1,60}$/, 'the id of a signer key')
      .optional(),
    parent_ca_id: caId.optional().describe('Id of the CA above it; left out: it is a root, or signed elsewhere'),
    external: z.boolean().default(false).describe('A CA whose certificate is signed elsewhere: `GET …/csr`, then `POST …/certificate`'),
    subject: subject.optional().describe('Its distinguished name'),
    algorithm: z.enum(caKeyAlgorithms).default('ECDSA-P256').describe('The kind of its key'),
    ttl_days: z.number().int().min(0).max(36_500).default(0).describe('How many days it lives; 0: five years'),
    path_len_constraint: z
      .number()
      .int()
      .min(0)
      .max(20)
      .optional()
      .describe('How many CAs may stand below it in a path (pathLenConstraint)'),
    name_constraints: nameConstraints.default([]).describe('Names that certificates below it may have, and may not (RFC 5280 §4.2.1.10)'),
    extended_key_usages: z.array(dottedOid).min(1).max(20).optional().describe('Purposes that certificates below it may have, dotted'),
    policies: z.array(dottedOid).min(1).max(20).optional().describe('Policies that hold below it, dotted'),
    crl_shards: crlShards.default(1).describe('Shards that its CRL is cut into; they can be made more and never fewer'),
    metadata: metadata.default({}).describe('Whatever else is to know, name to value'),
  }),
  answer: z.strictObject({ ...intermediate.shape, warnings: z.array(z.string()) }),
  status: 201,
});

export const listIntermediates = route({
  operation: 'listIntermediates',
  command: 'cas list',
  method: 'GET',
  path: '/api/v1/issuers/{id}/intermediates',
  summary: 'The CAs of an issuer: in the order in which they came, or as a tree, each followed by those below it',
  permission: 'ca.hierarchy.read',
  params: issuerParams,
  query: z.strictObject({ view: z.enum(['flat', 'tree']).default('flat').describe('`tree`: each CA followed by those below it') }),
  body: nothing,
  answer: z.strictObject({ data: z.array(listed) }),
  status: 200,
});

const one = { params, query: nothing, body: nothing, status: 200 } as const;

export const getIntermediate = route({
  ...one,
  operation: 'getIntermediate',
  command: 'cas get',
  method: 'GET',
  path: '/api/v1/intermediates/{ca_id}',
  summary: 'One CA',
  permission: 'ca.hierarchy.read',
  answer: intermediate,
  versioned: true,
});

export const updateIntermediate = route({
  ...one,
  operation: 'updateIntermediate',
  command: 'cas update',
  method: 'PATCH',
  path: '/api/v1/intermediates/{ca_id}',
  summary: 'Renames a CA, replaces what is noted of it, or cuts its CRL into more shards; what its certificate says cannot change',
  permission: 'ca.hierarchy.manage',
  body: z
    .strictObject({
      name: caName.optional().describe('What the CA is called'),
      metadata: metadata.optional().describe('Instead of all that was noted before'),
      crl_shards: crlShards.optional().describe('At least as many as there are: a certificate names its shard for life'),
    })
    .refine((body) => Object.keys(body).length > 0, 'nothing to change'),
  answer: intermediate,
  versioned: true,
});

export const listIntermediateChildren = route({
  ...one,
  operation: 'listIntermediateChildren',
  command: 'cas children',
  method: 'GET',
  path: '/api/v1/intermediates/{ca_id}/children',
  summary: 'The CAs directly below one',
  permission: 'ca.hierarchy.read',
  answer: z.strictObject({ data: z.array(intermediate) }),
});

export const getIntermediateChain = route({
  ...one,
  operation: 'getIntermediateChain',
  command: 'cas chain',
  method: 'GET',
  path: '/api/v1/intermediates/{ca_id}/chain',
  summary: 'The certificates from a CA up, verified; refused when a link is expired or revoked',
  permission: 'ca.hierarchy.read',
  query: z.strictObject({
    include_root: z.enum(['true', 'false']).default('false').describe('With the root as the last'),
    format: z
      .enum(['pem', 'pkcs7'])
      .default('pem')
      .describe('`pem`: a block for each, the CA first; `pkcs7`: one block of all (RFC 7468 §8)'),
  }),
  answer: z.strictObject({ chain_pem: z.string() }),
});

export const getIntermediateCsr = route({
  ...one,
  operation: 'getIntermediateCsr',
  command: 'cas csr',
  method: 'GET',
  path: '/api/v1/intermediates/{ca_id}/csr',
  summary: 'The CSR of a CA whose certificate is signed elsewhere',
  permission: 'ca.hierarchy.manage',
  answer: z.strictObject({ csr_pem: z.string() }),
});

export const importIntermediateCertificate = route({
  ...one,
  operation: 'importIntermediateCertificate',
  command: 'cas certify',
  method: 'POST',
  path: '/api/v1/intermediates/{ca_id}/certificate',
  summary: 'Brings the certificate that was signed elsewhere, with its chain up to the root; the CA becomes active',
  permission: 'ca.hierarchy.manage',
  body: z.strictObject({
    certificate_pem: pem.describe('PEM: its certificate, signed elsewhere'),
    chain_pem: chain.describe('PEM: the CAs above it, nearest first'),
  }),
  answer: intermediate,
});

export const retireIntermediate = route({
  ...one,
  operation: 'retireIntermediate',
  command: 'cas retire',
  method: 'POST',
  path: '/api/v1/intermediates/{ca_id}/retire',
  summary: 'First makes a CA drain, then with confirm ends it; CRL and OCSP go on',
  permission: 'ca.hierarchy.manage',
  body: z.strictObject({
    confirm: z.boolean().default(false).describe('The second step: it retires for good'),
    note: z.string().max(1000).optional().describe('Why, for people'),
    stop_leaf: z.boolean().default(true).describe('It signs no certificates of subscribers any more, at once'),
    drain_until: timestamp.optional().describe('Until when it goes on with CRLs and OCSP before it may retire for good (RFC 3339)'),
  }),
  answer: z.strictObject({ id: z.string(), state: z.string(), decided_by: z.string(), confirmed: z.boolean() }),
});

export const reactivateIntermediate = route({
  ...one,
  operation: 'reactivateIntermediate',
  command: 'cas reactivate',
  method: 'POST',
  path: '/api/v1/intermediates/{ca_id}/reactivate',
  summary: 'Lets a CA that drains sign again',
  permission: 'ca.hierarchy.manage',
  answer: intermediate,
});

export const rekeyIntermediate = route({
  ...one,
  operation: 'rekeyIntermediate',
  command: 'cas rekey',
  method: 'POST',
  path: '/api/v1/intermediates/{ca_id}/rekey',
  summary: 'A new CA of the same subject and limits with a new key signs from now on; the old one drains, and keeps its CRL and OCSP',
  permission: 'ca.hierarchy.manage',
  body: z.strictObject({
    name: caName.describe('Of the new CA; the old one keeps its own'),
    algorithm: z.enum(caKeyAlgorithms).optional().describe('Left out: as before'),
    ttl_days: z.number().int().min(1).max(36_500).optional().describe('Left out: as long as before; never beyond the CA above'),
  }),
  answer: z.strictObject({
    ...intermediate.shape,
    warnings: z.array(z.string()),
    predecessor: z.string(),
    profiles: z.array(z.string()).describe('Ids of those whose certificates it signs from now on'),
    issuers: z.array(z.string()),
  }),
  status: 201,
});

export const revokeIntermediate = route({
  ...one,
  operation: 'revokeIntermediate',
  command: 'cas revoke',
  method: 'POST',
  path: '/api/v1/intermediates/{ca_id}/revoke',
  summary: 'Puts a CA on the list of the CA above; neither it nor a CA below it signs any more',
  permission: 'ca.hierarchy.manage',
  body: z.strictObject({
    reason: z
      .enum(['unspecified', 'keyCompromise', 'caCompromise', 'affiliationChanged', 'superseded', 'cessationOfOperation'])
      .describe('Why it is revoked (RFC 5280 §5.3.1)'),
  }),
  answer: intermediate,
});

export const compromiseIntermediate = route({
  ...one,
  operation: 'compromiseIntermediate',
  command: 'cas compromise',
  method: 'POST',
  path: '/api/v1/intermediates/{ca_id}/compromise',
  summary:
    'Declares a CA compromised: it, all CAs below it and all their certificates are revoked for caCompromise, certificates by jobs; said again it goes on where it ended, dry_run only looks',
  permission: 'ca.hierarchy.manage',
  body: z.strictObject({
    descendants: z.boolean().default(true).describe('Off: the CA alone, and neither CAs nor certificates below it'),
    dry_run: z.boolean().default(false).describe('Looks what would be met, and changes nothing'),
  }),
  answer: z.strictObject({
    dry_run: z.boolean(),
    authorities: z
      .array(
        z.strictObject({
          id: z.string(),
          name: z.string(),
          state: intermediate.shape.state,
          listed_by: z.string().nullable().describe(`Whose CRL lists it; null: a root is on nobody's.`),
          leaves: z.number().int().describe('Certificates of it that live and are not revoked for good'),
        }),
      )
      .describe('From the top down, as they were before'),
    leaves: z.number().int(),
    warnings: z.array(z.string()).describe('What nothing but people can do'),
    jobs: z.array(z.string()),
  }),
});

export const setIssuingCa = route({
  operation: 'setIssuingCa',
  command: 'issuers choose-ca',
  method: 'PUT',
  path: '/api/v1/issuers/{id}/issuing-ca',
  summary: 'Chooses which CA signs for an issuer, at once; null: the one that the profile names',
  permission: 'ca.hierarchy.manage',
  params: issuerParams,
  query: nothing,
  body: z.strictObject({ issuing_ca_id: caId.nullable().describe('Id of the CA that signs for the profile or issuer from now on') }),
  answer: z.strictObject({ id: z.string(), issuing_ca_id: z.string().nullable() }),
  status: 200,
});
