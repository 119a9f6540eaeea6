import * as z from 'zod';
import { allowedIdentifier } from './profiles.ts';
import { list } from './list.ts';
import { nothing, route } from './route.ts';
import { timestamp } from './timestamp.ts';

const params = z.strictObject({ key_id: z.string().max(64).describe('Its `kid` (RFC 8555 §7.3.4)') });

export const eabKey = z.strictObject({
  key_id: z.string(),
  profile: z.string(),
  description: z.string(),
  allowed_names: z.array(z.string()).nullable(),
  max_uses: z.number().int(),
  uses: z.number().int(),
  expires_at: z.string().nullable(),
  disabled_at: z.string().nullable(),
  created_by: z.string(),
  created_at: z.string(),
});
export type EabKeyBody = z.infer<typeof eabKey>;

export const listEabKeys = route(
  list({
    operation: 'listEabKeys',
    command: 'eab list',
    path: '/api/v1/eab-keys',
    summary: 'External account binding keys, newest first, without their secrets',
    scope: 'rows',
    permission: 'acme.eab.read',
    params: nothing,
    filters: { profile: z.string().max(63).optional().describe('Id of the profile whose directories take it') },
    item: eabKey,
    sorts: ['-created_at'],
  }),
);

export const getEabKey = route({
  operation: 'getEabKey',
  command: 'eab get',
  method: 'GET',
  path: '/api/v1/eab-keys/{key_id}',
  summary: 'One external account binding key, without its secret',
  scope: 'rows',
  permission: 'acme.eab.read',
  params,
  query: nothing,
  body: nothing,
  answer: eabKey,
  status: 200,
});

export const createEabKey = route({
  operation: 'createEabKey',
  command: 'eab create',
  method: 'POST',
  path: '/api/v1/eab-keys',
  summary: 'Makes a key that invites ACME accounts; the HMAC key is shown in this answer and never again',
  scope: 'rows',
  permission: 'acme.eab.edit',
  params: nothing,
  query: nothing,
  body: z.strictObject({
    profile: z.string().min(1).max(63).describe('Id of the profile whose directories take it'),
    description: z.string().max(1000).default('').describe('Whom it is for'),
    allowed_names: z
      .array(allowedIdentifier)
      .max(1000)
      .nullable()
      .default(null)
      .describe('Names that its accounts may have certified; null: what the profile allows'),
    max_uses: z.number().int().min(1).max(1_000_000).default(1).describe('How many accounts may be made with it'),
    expires_at: timestamp.nullable().default(null).describe('When it ends (RFC 3339); null: never'),
  }),
  answer: eabKey.extend({ hmac_key: z.string() }),
  status: 201,
  secret: true,
});

export const disableEabKey = route({
  operation: 'disableEabKey',
  command: 'eab disable',
  method: 'POST',
  path: '/api/v1/eab-keys/{key_id}/disable',
  summary: 'Disables a key and blocks the accounts that were made with it',
  scope: 'rows',
  permission: 'acme.eab.edit',
  params,
  query: nothing,
  body: nothing,
  answer: eabKey,
  status: 200,
});

export const enableEabKey = route({
  operation: 'enableEabKey',
  command: 'eab enable',
  method: 'POST',
  path: '/api/v1/eab-keys/{key_id}/enable',
  summary: 'Enables a disabled key and its accounts again',
  scope: 'rows',
  permission: 'acme.eab.edit',
  params,
  query: nothing,
  body: nothing,
  answer: eabKey,
  status: 200,
});
