import * as z from 'zod';
import { list } from './list.ts';
import { nothing, route } from './route.ts';

const accountId = z.string().min(1).max(64).describe('The id of an ACME account');

export const acmeAccount = z.strictObject({
  id: accountId,
  profile: z.string(),
  status: z.enum(['valid', 'deactivated', 'revoked']),
  contact: z.array(z.string()),
  key_thumbprint: z.string().describe('RFC 7638, base64url'),
  eab_key: z.string().nullable().describe('The invitation that it came with'),
  blocked_at: z.string().nullable().describe('Set while that invitation is disabled'),
  allowed_names: z.array(z.string()).nullable(),
  open_orders: z.number().int(),
  created_at: z.string(),
  updated_at: z.string(),
});
export type AcmeAccountBody = z.infer<typeof acmeAccount>;

export const listAcmeAccounts = route(
  list({
    operation: 'listAcmeAccounts',
    command: 'acme-accounts list',
    path: '/api/v1/acme/accounts',
    summary: 'ACME accounts, newest first',
    scope: 'rows',
    permission: 'acme.account.read',
    params: nothing,
    filters: {
      profile: z.string().max(63).optional().describe('Only of this profile'),
      status: acmeAccount.shape.status.optional().describe('Only of this status'),
      eab_key: z.string().max(64).optional().describe('Only those that came with this key'),
      key_thumbprint: z.string().max(64).optional().describe('Only of this key (RFC 7638, base64url)'),
    },
    item: acmeAccount,
    sorts: ['-created_at'],
  }),
);

const one = {
  params: z.strictObject({ id: accountId }),
  query: nothing,
  body: nothing,
  answer: acmeAccount,
  status: 200,
  scope: 'rows',
} as const;

export const getAcmeAccount = route({
  ...one,
  operation: 'getAcmeAccount',
  command: 'acme-accounts get',
  method: 'GET',
  path: '/api/v1/acme/accounts/{id}',
  summary: 'One ACME account',
  permission: 'acme.account.read',
});

export const deactivateAcmeAccount = route({
  ...one,
  operation: 'deactivateAcmeAccount',
  command: 'acme-accounts deactivate',
  method: 'POST',
  path: '/api/v1/acme/accounts/{id}/deactivate',
  summary: 'Ends an ACME account as its holder could: its open orders and proofs end with it, its certificates stay',
  permission: 'acme.account.edit',
});

export const acmeOrder = z.strictObject({
  id: z.string(),
  account: z.string(),
  profile: z.string(),
  status: z.enum(['pending', 'ready', 'processing', 'valid', 'invalid', 'canceled']),
  identifiers: z.array(z.strictObject({ type: z.string(), value: z.string() })),
  error: z.record(z.string(), z.unknown()).nullable().describe('RFC 8555 §6.7'),
  certificate: z.string().nullable().describe('Of an order that renews itself: the newest'),
  auto_renewal: z
    .strictObject({
      'start-date': z.string().optional(),
      'end-date': z.string(),
      lifetime: z.number().int(),
      'lifetime-adjust': z.number().int(),
      'allow-certificate-get': z.boolean().optional(),
    })
    .nullable()
    .describe('As the order has it (RFC 8739 §3.1.1); null: it does not renew itself'),
  expires_at: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
});
export type AcmeOrderBody = z.infer<typeof acmeOrder>;

export const listAcmeOrders = route(
  list({
    operation: 'listAcmeOrders',
    command: 'acme-orders list',
    path: '/api/v1/acme/orders',
    summary: 'ACME orders, newest first',
    scope: 'rows',
    permission: 'acme.account.read',
    params: nothing,
    filters: {
      account: accountId.optional().describe('Only of this account'),
      profile: z.string().max(63).optional().describe('Only of this profile'),
      status: acmeOrder.shape.status.optional().describe('Only of this status'),
    },
    item: acmeOrder,
    sorts: ['-created_at'],
  }),
);

const failingNameId = z.string().regex(/^fail-[0-9a-f]{32}$/, 'the id of a failing name');

export const acmeFailingName = z.strictObject({
  id: failingNameId,
  account: accountId,
  profile: z.string(),
  identifier: z.strictObject({ type: z.string(), value: z.string() }),
  failures: z.number().int().describe('Failed validations since the last good one'),
  error: z.record(z.string(), z.unknown()).describe('Of the last of them, RFC 8555 §6.7'),
  last_failed_at: z.string(),
  paused_at: z.string().nullable().describe('Set: the account may not order the name until somebody unpauses it'),
});
export type AcmeFailingNameBody = z.infer<typeof acmeFailingName>;

export const listAcmeFailingNames = route(
  list({
    operation: 'listAcmeFailingNames',
    command: 'acme-failing-names list',
    path: '/api/v1/acme/failing-names',
    summary: 'Names whose last validations failed, each with its ACME account, the newest failure first',
    scope: 'rows',
    permission: 'acme.account.read',
    params: nothing,
    filters: {
      account: accountId.optional().describe('Only of this account'),
      profile: z.string().max(63).optional().describe('Only of this profile'),
      paused: z.enum(['true', 'false']).optional().describe('Only those that are paused, or are not'),
    },
    item: acmeFailingName,
    sorts: ['-last_failed_at'],
  }),
);

export const unpauseAcmeFailingName = route({
  operation: 'unpauseAcmeFailingName',
  command: 'acme-failing-names unpause',
  method: 'POST',
  path: '/api/v1/acme/failing-names/{id}/unpause',
  summary: 'Forgets the failures of a name, so that its account may order it again at once',
  scope: 'rows',
  permission: 'acme.account.edit',
  params: z.strictObject({ id: failingNameId }),
  query: nothing,
  body: nothing,
  /** As it was. */
  answer: acmeFailingName,
  status: 200,
});
