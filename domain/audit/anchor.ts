import * as z from 'zod/mini';
import type { Break, Link } from './chain.ts';

/** The head of the chain as it was at a time, kept outside of the database. */
export const anchor = z.strictObject({
  seq: z.int().check(z.positive()),
  hash: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  at: z.string(),
});
export type Anchor = z.output<typeof anchor>;

/** Whether the database still has what an anchor saw; `there` is the chain's link at the anchor's place. */
export function contradicts(seen: Anchor, there: Link | undefined): Break | undefined {
  if (there === undefined) return { seq: seen.seq, kind: 'truncated' };
  return Buffer.from(there.hash).toString('hex') === seen.hash ? undefined : { seq: seen.seq, kind: 'rewritten' };
}
