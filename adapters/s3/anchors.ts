import { anchor, type Anchor } from '#domain/audit/anchor.ts';
import type { Artifacts } from './artifacts.ts';

export interface AnchorStore {
  latest(): Promise<Anchor | undefined>;
  /** Each anchor is an object of its own that is never replaced; the newest is found by its name. */
  write(seen: Anchor): Promise<void>;
}

const newest = 'audit/anchors/newest.json';
const headers = { contentType: 'application/json', cacheControl: 'no-store' };

/** Heads of the audit chain in the bucket, where whoever can write to the database cannot. */
export function anchorStore(artifacts: Artifacts): AnchorStore {
  const read = async (): Promise<{ readonly seen: Anchor; readonly etag: string } | undefined> => {
    const found = await artifacts.get(newest);
    return found && { seen: anchor.parse(JSON.parse(Buffer.from(found.body).toString('utf8'))), etag: found.etag };
  };
  return {
    latest: async () => (await read())?.seen,
    async write(seen) {
      const body = Buffer.from(`${JSON.stringify(seen)}\n`);
      await artifacts.replace(`audit/anchors/${String(seen.seq).padStart(15, '0')}.json`, body, undefined, headers);
      const before = await read();
      // Whoever wrote a newer one meanwhile is right.
      if (before === undefined || before.seen.seq < seen.seq) await artifacts.replace(newest, body, before?.etag, headers);
    },
  };
}
