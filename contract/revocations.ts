import * as z from 'zod';
import { list } from './list.ts';
import { nothing, route } from './route.ts';

export const revocation = z.strictObject({
  ca: z.string(),
  /** Hex. */
  serial: z.string(),
  /** RFC 5280 §5.3.1. */
  reason: z.number().int(),
  /** Null for the certificate of a CA. */
  version: z.string().nullable(),
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
      ca: z.string().max(63).optional(),
      certificate: z.string().max(64).optional(),
      reason: z.coerce.number().int().min(0).max(10).optional(),
    },
    item: revocation,
    sorts: ['-revoked_at'],
  }),
);
