import * as z from 'zod';
import { challengeTypes, keyKinds, usualChallengeTypes } from '#domain/issuance/profile.ts';
import { requirements } from '#domain/x509/lint-rules/rule.ts';
import { isNetwork } from '#domain/x509/ip-address.ts';
import { list } from './list.ts';
import { dottedOid } from './object-identifier.ts';
import { nothing, route } from './route.ts';

const id = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and hyphens, at most 63');
const allowedName = z
  .string()
  .max(253)
  .regex(
    /^(?:\*\.|\.)?[a-z0-9_](?:[a-z0-9.-]*[a-z0-9])?$/,
    'an exact name, `.suffix` for everything below, or `*.suffix` for that wildcard, in lower case; or a range of addresses',
  );
/** What an identifier may be: a name, names below one, or addresses. */
export const allowedIdentifier = z.union([z.cidrv4(), z.cidrv6(), allowedName]);

const profileFields = {
  name: z.string().min(1).max(128).describe('What the profile is called'),
  description: z.string().max(1000).describe('What it is for'),
  enabled: z.boolean().describe('Whether it issues'),
  acme_auth_mode: z
    .enum(['challenge', 'trust_authenticated'])
    .describe('`challenge`: each name is proven; `trust_authenticated`: who has an account, or what allowed_names says, is trusted'),
  eab_required: z.boolean().describe('Accounts need an external account binding key'),
  allowed_names: z
    .array(allowedIdentifier)
    .max(1000)
    .nullable()
    .describe('What may be certified: names, `.example.com` for all below one, networks of addresses; null: any name'),
  allow_wildcards: z.boolean().describe('Names like `*.example.com`'),
  allow_single_label: z.boolean().describe('Names without a dot, like `intranet`'),
  allowed_challenges: z.array(z.enum(challengeTypes)).min(1).describe('How names may be proven'),
  allowed_cidrs: z
    .array(z.union([z.cidrv4(), z.cidrv6()]).refine(isNetwork, 'bits beyond the prefix must be zero, as in 10.0.0.0/8'))
    .max(100)
    .describe('Private ranges that challenges may reach'),
  key_rules: z
    .array(z.strictObject({ algorithm: z.enum(keyKinds), min_size: z.number().int().min(256).max(4096) }))
    .min(1)
    .describe('Kinds of keys that are taken, each with its least size in bits'),
  validity_seconds: z.number().int().min(300).max(34_300_800).describe('How long its certificates live'),
  extended_key_usages: z
    .array(z.enum(['serverAuth', 'clientAuth', 'codeSigning', 'emailProtection', 'timeStamping']))
    .min(1)
    .describe('What they are for'),
  must_staple: z.boolean().describe('Servers shall staple OCSP responses (RFC 7633)'),
  max_identifiers: z.number().int().min(1).max(100).describe('Names in one certificate at the most'),
  terms_of_service: z.url().nullable().describe('URL of what accounts agree to'),
  website: z.url().nullable().describe('URL where to read more'),
  caa_identities: z
    .array(
      z
        .string()
        .regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/)
        .max(253),
    )
    .max(20)
    .describe('Issuer domain names that CAA records may list (RFC 8659); with any, every name is checked'),
  selectable: z.boolean().describe('Offered by the shared directory, to accounts of the default profile'),
  authorization_reuse_seconds: z
    .number()
    .int()
    .min(0)
    .max(2_592_000)
    .describe('Seconds that a proof of a name serves further orders of its account; 0: none'),
  subdomain_auth_allowed: z.boolean().describe('A proof of a domain by DNS may serve names below it (RFC 9444)'),
  auto_renewal: z
    .strictObject({
      min_lifetime: z.number().int().min(60).max(576_000).describe('Seconds from one certificate to the next, at least'),
      max_duration: z.number().int().min(60).max(31_536_000).describe('Seconds from the start to the end of an order, at most'),
      allow_certificate_get: z
        .boolean()
        .default(false)
        .describe('Orders may let whoever knows the URL of the certificate read it without a signature'),
    })
    .nullable()
    .describe(
      'Orders may ask for certificates that renew themselves (RFC 8739); null: they may not. Only where certificates live ten days at most',
    ),
  ca_id: z.string().max(63).describe('Id of the CA that signs'),
  requires_approval: z
    .boolean()
    .describe(
      'A second person must say yes to each certificate, and to each change of the profile; ACME, which cannot wait for one, is refused',
    ),
  requirements: z
    .enum(requirements)
    .describe("`cabf_tls_br`: its certificates keep to the CA/Browser Forum's rules for TLS servers (docs/reference/lint-rules.md)."),
  policies: z
    .array(dottedOid)
    .max(10)
    .refine((all) => new Set(all).size === all.length, 'no policy twice')
    .describe('Policies that its certificates assert, dotted (RFC 5280 §4.2.1.4)'),
};

export const profile = z.strictObject({ id, ...profileFields, version: z.number().int(), acme_directory: z.url() });
export type ProfileBody = z.infer<typeof profile>;

const defaults = {
  description: profileFields.description.default(''),
  enabled: profileFields.enabled.default(true),
  acme_auth_mode: profileFields.acme_auth_mode.default('challenge'),
  eab_required: profileFields.eab_required.default(false),
  allowed_names: profileFields.allowed_names.default(null),
  allow_wildcards: profileFields.allow_wildcards.default(true),
  allow_single_label: profileFields.allow_single_label.default(false),
  allowed_challenges: profileFields.allowed_challenges.default([...usualChallengeTypes]),
  allowed_cidrs: profileFields.allowed_cidrs.default([]),
  key_rules: profileFields.key_rules.default([
    { algorithm: 'ECDSA', min_size: 256 },
    { algorithm: 'RSA', min_size: 2048 },
    { algorithm: 'Ed25519', min_size: 256 },
  ]),
  validity_seconds: profileFields.validity_seconds.default(7_776_000),
  extended_key_usages: profileFields.extended_key_usages.default(['serverAuth']),
  must_staple: profileFields.must_staple.default(false),
  max_identifiers: profileFields.max_identifiers.default(100),
  terms_of_service: profileFields.terms_of_service.default(null),
  website: profileFields.website.default(null),
  caa_identities: profileFields.caa_identities.default([]),
  selectable: profileFields.selectable.default(false),
  authorization_reuse_seconds: profileFields.authorization_reuse_seconds.default(0),
  subdomain_auth_allowed: profileFields.subdomain_auth_allowed.default(false),
  auto_renewal: profileFields.auto_renewal.default(null),
  ca_id: profileFields.ca_id.default('issuing-1'),
  requires_approval: profileFields.requires_approval.default(false),
  requirements: profileFields.requirements.default('rfc5280'),
  policies: profileFields.policies.default([]),
};

/** Trust without proof of control is said aloud. */
const acknowledgement = {
  acknowledge_trust: z.boolean().optional().describe('Trust without proof is meant; wanted with `trust_authenticated`'),
};

export const createProfileBody = z.strictObject({ id, name: profileFields.name, ...defaults, ...acknowledgement });
export const replaceProfileBody = z.strictObject({ name: profileFields.name, ...defaults, ...acknowledgement });

export const listProfiles = route(
  list({
    operation: 'listProfiles',
    command: 'profiles list',
    path: '/api/v1/profiles',
    summary: 'All certificate profiles',
    scope: 'rows',
    permission: 'profile.read',
    params: nothing,
    filters: { enabled: z.enum(['true', 'false']).optional().describe('Whether it issues') },
    item: profile,
    sorts: ['id', 'name'],
  }),
);

export const getProfile = route({
  operation: 'getProfile',
  command: 'profiles get',
  method: 'GET',
  path: '/api/v1/profiles/{id}',
  summary: 'One certificate profile',
  scope: 'rows',
  permission: 'profile.read',
  params: z.strictObject({ id }),
  query: nothing,
  body: nothing,
  answer: profile,
  status: 200,
  versioned: true,
});

export const createProfile = route({
  operation: 'createProfile',
  command: 'profiles create',
  method: 'POST',
  path: '/api/v1/profiles',
  summary: 'Makes a profile with an ACME directory of its own; trust_authenticated wants EAB or allowed names, and acknowledge_trust',
  permission: 'profile.edit',
  params: nothing,
  query: nothing,
  body: createProfileBody,
  answer: profile,
  status: 201,
  versioned: true,
});

export const replaceProfile = route({
  operation: 'replaceProfile',
  command: 'profiles replace',
  method: 'PUT',
  path: '/api/v1/profiles/{id}',
  summary: 'Replaces a profile; where it wants approvals, or shall, the change waits for one',
  scope: 'rows',
  permission: 'profile.edit',
  params: z.strictObject({ id }),
  query: nothing,
  body: replaceProfileBody,
  answer: profile,
  accepted: z.strictObject({ status: z.literal('pending_approval'), approval: z.string() }),
  status: 200,
  versioned: true,
});
