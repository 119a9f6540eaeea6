import * as z from 'zod';
import { permissions } from '#domain/access/permission.ts';
import { roleIds } from '#domain/access/role.ts';
import { list } from './list.ts';
import { ownerId } from './people.ts';
import { nothing, route } from './route.ts';
import { timestamp } from './timestamp.ts';

const keyId = z.string().regex(/^ak-[0-9a-z-]{1,60}$/, 'the id of an API key');
const scopeTypes = ['global', 'profile', 'issuer'] as const;
const time = z.string().nullable();
const future = timestamp.nullable().default(null);

export const grant = z.strictObject({
  role: z.string(),
  scope_type: z.enum(scopeTypes),
  scope_id: z.string().nullable().describe('Null where the scope is global'),
  expires_at: time,
});

export const apiKey = z.strictObject({
  id: keyId,
  name: z.string(),
  description: z.string(),
  token_prefix: z.string().nullable().describe('How the secret begins, to tell keys apart'),
  roles: z.array(grant),
  owner: z.string().nullable().describe(`Whose key it is, where it is a person's.`),
  created_by: z.string(),
  created_at: z.string(),
  expires_at: time,
  last_used_at: time.describe('To the minute'),
  ended_at: time,
  previous_secret_until: time.describe('Until when the secret before the last rotation is taken too'),
});
export type ApiKeyBody = z.infer<typeof apiKey>;

/** A grant to be given. */
export const newGrant = z
  .strictObject({
    role: z.enum(roleIds).describe('A role: `certctl roles list` shows them'),
    scope_type: z.enum(scopeTypes).default('global').describe('How far the role reaches: everything, or one profile, issuer …'),
    scope_id: z.string().min(1).max(64).nullable().default(null).describe('Which one; null where the scope is global'),
    expires_at: future.describe('When it ends (RFC 3339); left out: never'),
  })
  .refine(({ scope_type, scope_id }) => (scope_type === 'global') === (scope_id === null), {
    message: 'a global grant has no scope_id, and every other has one',
    path: ['scope_id'],
  });

/** The secret, shown once. */
const shown = apiKey.extend({ token: z.string() });
const params = z.strictObject({ id: keyId });

export const whoAmI = route({
  operation: 'whoAmI',
  command: 'auth me',
  method: 'GET',
  path: '/api/v1/auth/me',
  summary: 'Who the caller is, and what they may do where',
  permission: 'authenticated',
  params: nothing,
  query: nothing,
  body: nothing,
  answer: z.strictObject({
    id: z.string(),
    name: z.string(),
    roles: z.array(grant.omit({ expires_at: true })),
    permissions: z
      .array(
        z.strictObject({
          permission: z.enum(permissions),
          global: z.boolean(),
          profiles: z.array(z.string()),
          issuers: z.array(z.string()),
        }),
      )
      .describe('Each permission held anywhere, and how far it reaches'),
  }),
  status: 200,
});

export const listPermissions = route({
  operation: 'listPermissions',
  command: 'permissions list',
  method: 'GET',
  path: '/api/v1/auth/permissions',
  summary: 'Every permission and what it allows',
  permission: 'authenticated',
  params: nothing,
  query: nothing,
  body: nothing,
  answer: z.strictObject({ items: z.array(z.strictObject({ permission: z.enum(permissions), allows: z.string() })) }),
  status: 200,
});

export const listRoles = route({
  operation: 'listRoles',
  command: 'roles list',
  method: 'GET',
  path: '/api/v1/auth/roles',
  summary: 'The roles and the permissions that they hold',
  permission: 'auth.role.list',
  params: nothing,
  query: nothing,
  body: nothing,
  answer: z.strictObject({
    items: z.array(z.strictObject({ id: z.enum(roleIds), summary: z.string(), permissions: z.array(z.enum(permissions)) })),
  }),
  status: 200,
});

export const listApiKeys = route(
  list({
    operation: 'listApiKeys',
    command: 'keys list',
    path: '/api/v1/auth/keys',
    summary: 'API keys, newest first, without their secrets',
    permission: 'auth.key.list',
    params: nothing,
    filters: { name: z.string().max(63).optional().describe('What the key is called') },
    item: apiKey,
    sorts: ['-created_at', 'name'],
  }),
);

export const getApiKey = route({
  operation: 'getApiKey',
  command: 'keys get',
  method: 'GET',
  path: '/api/v1/auth/keys/{id}',
  summary: 'One API key, without its secret',
  permission: 'auth.key.list',
  params,
  query: nothing,
  body: nothing,
  answer: apiKey,
  status: 200,
});

export const createApiKey = route({
  operation: 'createApiKey',
  command: 'keys create',
  method: 'POST',
  path: '/api/v1/auth/keys',
  summary: 'Makes a key that may do no more than its maker; its secret is shown in this answer and never again',
  permission: 'auth.key.create',
  params: nothing,
  query: nothing,
  body: z.strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_.-]{0,62}$/, 'lower-case letters, digits, dots, hyphens and underscores, at most 63')
      .describe('What the key is called'),
    description: z.string().max(1000).default('').describe('What it is for'),
    roles: z.array(newGrant).min(1).max(50).describe('What it may do, and where'),
    expires_at: future.describe('When it ends (RFC 3339); left out: never'),
    owner: ownerId.nullable().default(null).describe('Whose key it is: of two keys of one person, the second is no second person'),
  }),
  answer: shown,
  status: 201,
  secret: true,
});

export const rotateApiKey = route({
  operation: 'rotateApiKey',
  command: 'keys rotate',
  method: 'POST',
  path: '/api/v1/auth/keys/{id}/rotate',
  summary: 'Gives a key a new secret, shown once; the one before it is taken for a while longer, then dies by itself',
  permission: 'auth.key.rotate',
  params,
  query: nothing,
  body: z.strictObject({
    overlap_seconds: z.number().int().min(0).max(259_200).default(86_400).describe('Seconds for which the secret of before is taken too'),
  }),
  answer: shown,
  status: 201,
  secret: true,
});

export const deleteApiKey = route({
  operation: 'deleteApiKey',
  command: 'keys delete',
  method: 'DELETE',
  path: '/api/v1/auth/keys/{id}',
  summary: 'Ends a key at once; what it did stays in the audit trail under its id',
  permission: 'auth.key.delete',
  params,
  query: nothing,
  body: nothing,
  answer: apiKey,
  status: 200,
});

export const grantRole = route({
  operation: 'grantRole',
  command: 'keys grant',
  method: 'POST',
  path: '/api/v1/auth/keys/{id}/roles',
  summary: 'Grants a role to a key: none that reaches further than the granter, and never to oneself',
  permission: 'auth.role.assign',
  params,
  query: nothing,
  body: newGrant,
  answer: apiKey,
  status: 200,
});

export const revokeRole = route({
  operation: 'revokeRole',
  command: 'keys revoke',
  method: 'DELETE',
  path: '/api/v1/auth/keys/{id}/roles/{role}',
  summary: 'Takes a role from a key: at one scope, or without a scope all of its grants',
  permission: 'auth.role.revoke',
  params: z.strictObject({ id: keyId, role: z.string().max(64).describe('A role: `certctl roles list` shows them') }),
  query: z.strictObject({
    scope_type: z.enum(scopeTypes).optional().describe('How far the role reaches: everything, or one profile, issuer …'),
    scope_id: z.string().min(1).max(64).optional().describe('Which one; null where the scope is global'),
  }),
  body: nothing,
  answer: apiKey,
  status: 200,
});
