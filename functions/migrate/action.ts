import * as z from 'zod';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, '64 hex digits');

/** What an operator may invoke the function with. */
export const actionSchema = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('admin-token') }),
  z.strictObject({ action: z.literal('trust-anchor') }),
  z.strictObject({ action: z.literal('status') }),
  z.strictObject({ action: z.literal('dry-run') }),
  z.strictObject({ action: z.literal('apply') }),
  z.strictObject({
    action: z.literal('repair'),
    file: z.string().regex(/^\d{6}_[a-z0-9_]+\.up\.sql$/),
    oldHash: sha256,
    newHash: sha256,
    /** Who repairs; goes into the audit trail. */
    actor: z.string().min(1).max(200),
  }),
]);
export type Action = z.infer<typeof actionSchema>;
