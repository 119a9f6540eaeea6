import { contradicts, type Anchor } from './anchor.ts';
import { endsAt, follow, genesis, type Break, type Link, type SealedRows } from './chain.ts';

export interface ChainReader {
  head(): Promise<{ readonly head: Link }>;
  rows(after: number, limit: number): Promise<SealedRows>;
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

const pageLength = 5000;
const pagesAhead = 2;

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
  // The database finds the next pages while one is followed. A page that is not whole has a gap, and what was asked for behind it does not matter.
  const reading: Promise<SealedRows>[] = [];
  let asked = to.seq;
  const ask = (): void => {
    for (; reading.length < pagesAhead && asked < head.seq; asked += pageLength) {
      const page = reader.rows(asked, Math.min(pageLength, head.seq - asked));
      // Whoever waits for it hears of the failure; until then nobody listens.
      page.catch(() => undefined);
      reading.push(page);
    }
  };
  ask();
  for (let page = await reading.shift(); page !== undefined; page = await reading.shift()) {
    const more = goOn();
    if (more) ask();
    const next = follow(to, page);
    to = next.to;
    if (next.broken === undefined && more) continue;
    await Promise.allSettled(reading);
    if (next.broken !== undefined || to.seq < head.seq) return ended(to, next.broken);
  }
  const broken = endsAt(to, head);
  return ended(to, broken, broken === undefined);
}
