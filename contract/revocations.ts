import * as z from 'zod';
import { list } from './list.ts';
import { nothing, route } from './route.ts';

export const revocation = z.strictObject({
  ca: z.string(),
  serial: z.string().describe('Hex'),
  reason: z.number().int().describe('RFC 5280 §5.3.1'),
  version: z.string().nullable().describe('Null for the certificate of a CA'),
  certificate: z.string().nullable(),
  revoked_by: z.string(),
  revoked_at: z.string(),
  not_after: z.string(),
});
export type RevocationBody = z.infer<typeof revocation>;

export const listRevocations = route(
  list({
    operation: 'listRevocations',
    command: 'revocations list',
    path: '/api/v1/revocations',
    summary: 'What was revoked, newest first',
    scope: 'rows',
    permission: 'cert.read',
    params: nothing,
    filters: {
      ca: z.string().max(63).optional().describe('Only by this CA'),
      certificate: z.string().max(64).optional().describe('Only of this certificate'),
      reason: z.coerce.number().int().min(0).max(10).optional().describe('Only for this reason'),
    },
    item: revocation,
    sorts: ['-revoked_at'],
  }),
);
