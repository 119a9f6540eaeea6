import { contradicts, type Anchor } from './anchor.ts';
import { endsAt, follow, genesis, type Break, type Link, type SealedRow } from './chain.ts';

export interface ChainReader {
  head(): Promise<{ readonly head: Link }>;
  rows(after: number, limit: number): Promise<readonly SealedRow[]>;
  linkAt(seq: number): Promise<Link | undefined>;
}

export interface Anchors {
  /** The newest that was written; undefined when there is none yet. */
  latest(): Promise<Anchor | undefined>;
}

export interface Walked {
  readonly to: Link;
  readonly broken: Break | undefined;
  /** The end was reached. */
  readonly whole: boolean;
  /** The newest that the chain was held against. */
  readonly anchor: Anchor | undefined;
}

const page = 5000;

/**
 * Walks the chain from a link that held, page by page, up to its head as it is now, and holds it against the newest anchor.
 *
 * @param goOn asked before each further page; false ends the walk where it is
 */
export async function walk(reader: ChainReader, anchors: Anchors, from: Link, goOn: () => boolean): Promise<Walked> {
  const { head } = await reader.head();
  const anchor = await anchors.latest();
  const ended = (to: Link, broken: Break | undefined, whole = false): Walked => ({ to, broken, whole, anchor });
  const start = from.seq === 0 ? { seq: 0, hash: genesis } : await reader.linkAt(from.seq);
  if (start === undefined) return ended(from, { seq: from.seq, kind: 'truncated' });
  if (!Buffer.from(start.hash).equals(from.hash)) return ended(from, { seq: from.seq, kind: 'rewritten' });
  const contradicted = anchor && contradicts(anchor, await reader.linkAt(anchor.seq));
  if (contradicted !== undefined) return ended(from, contradicted);
  let to = start;
  const pageAfter = (seq: number): Promise<readonly SealedRow[]> => reader.rows(seq, Math.min(page, head.seq - seq));
  let reading = to.seq < head.seq ? pageAfter(to.seq) : undefined;
  while (reading !== undefined) {
    const rows = await reading;
    const last = rows.at(-1)?.seq ?? head.seq;
    const more = last < head.seq && goOn();
    // The database finds the next page while this one is followed.
    reading = more ? pageAfter(last) : undefined;
    const next = follow(to, rows);
    to = next.to;
    if (next.broken !== undefined) {
      await reading;
      return ended(to, next.broken);
    }
    if (last < head.seq && !more) return ended(to, undefined);
  }
  const broken = endsAt(to, head);
  return ended(to, broken, broken === undefined);
}
