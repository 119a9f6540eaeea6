import { anchor, contradicts, type Anchor } from './anchor.ts';
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
}

const page = 5000;

/**
 * Walks the chain from a link that held, page by page, up to its head as it is now, and holds it against the newest anchor.
 *
 * @param goOn asked before each page; false ends the walk where it is
 */
export async function walk(reader: ChainReader, anchors: Anchors, from: Link, goOn: () => boolean): Promise<Walked> {
  const { head } = await reader.head();
  const start = from.seq === 0 ? { seq: 0, hash: genesis } : await reader.linkAt(from.seq);
  if (start === undefined) return { to: from, broken: { seq: from.seq, kind: 'truncated' }, whole: false };
  if (!Buffer.from(start.hash).equals(from.hash)) return { to: from, broken: { seq: from.seq, kind: 'rewritten' }, whole: false };
  const seen = await anchors.latest();
  const contradicted = seen && contradicts(anchor.parse(seen), await reader.linkAt(seen.seq));
  if (contradicted !== undefined) return { to: from, broken: contradicted, whole: false };
  let to = start;
  while (to.seq < head.seq) {
    if (!goOn()) return { to, broken: undefined, whole: false };
    const rows = await reader.rows(to.seq, Math.min(page, head.seq - to.seq));
    if (rows.length === 0) break;
    const next = follow(to, rows);
    to = next.to;
    if (next.broken !== undefined) return { to, broken: next.broken, whole: false };
  }
  const broken = endsAt(to, head);
  return { to, broken, whole: broken === undefined };
}
