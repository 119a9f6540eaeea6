import { CaError } from '#domain/error.ts';
import { crlEntryList } from '#domain/revocation/crl-entries.ts';
import type { CrlScope } from '#domain/revocation/crl-scope.ts';
import type { CrlDraft, CrlStore } from '#domain/revocation/store.ts';
import { crlShards } from './crl-shards.ts';
import type { Database } from './database.ts';
import { adopt, raiseComplete, raiseShard, takeBack } from './taken-back.ts';

interface EntryRow {
  serial: string;
  revoked_at: Date;
  reason: number;
}

interface Statement {
  readonly name: string;
  readonly text: string;
}

const pastHalf = `c.next_update IS NULL OR c.published_epoch < c.status_epoch OR $1 >= c.this_update + (c.next_update - c.this_update) / 2`;

/** Where one kind of CRL is kept; in all of it $1 is the CA and $2 the shard, or NULL for the complete one. */
interface Kept {
  readonly kind: string;
  readonly table: string;
  /** Which row of the table it is. */
  readonly here: string;
  /** Which revocations it lists. */
  readonly listed: string;
  readonly reserve: string;
  /** The column with the number of the last CRL that a revocation is on. */
  readonly last: string;
}

function statements({
  kind,
  table,
  here,
  listed,
  reserve,
  last,
}: Kept): Record<'reserve' | 'markLast' | 'entries' | 'published', Statement> {
  return {
    reserve: { name: `crl-number-${kind}`, text: `${reserve} RETURNING number, status_epoch` },
    markLast: {
      name: `crl-mark-last-${kind}`,
      text: `UPDATE revocations SET ${last} = $3 WHERE ca_id = $1 AND ${listed} AND ${last} IS NULL AND not_after <= $4`,
    },
    entries: {
      name: `crl-entries-${kind}`,
      text: `SELECT serial, revoked_at, reason FROM revocations WHERE ca_id = $1 AND ${listed} AND (${last} IS NULL OR ${last} >= $3) AND serial > $4
             ORDER BY serial LIMIT $5`,
    },
    published: {
      name: `crl-published-${kind}`,
      text: `UPDATE ${table} SET this_update = $4, next_update = $5, revoked_count = $6, published_epoch = greatest(published_epoch, $7)
             WHERE ca_id = $1 AND ${here} AND (this_update IS NULL OR this_update <= $4) AND number >= $3`,
    },
  };
}

const complete = statements({
  kind: 'complete',
  table: 'crls',
  here: '$2::int IS NULL',
  listed: '$2::int IS NULL',
  reserve: `INSERT INTO crls (ca_id, number) SELECT $1::text, 1 WHERE $2::int IS NULL ON CONFLICT (ca_id) DO UPDATE SET number = crls.number + 1`,
  last: 'last_crl',
});
const ofShard = statements({
  kind: 'shard',
  table: 'crl_shards',
  here: 'shard = $2::int',
  listed: 'crl_shard = $2::int',
  reserve: `UPDATE crl_shards SET number = number + 1 WHERE ca_id = $1 AND shard = $2::int`,
  last: 'last_shard_crl',
});
const entriesPerPage = 10_000;
const due = {
  name: 'crl-due',
  text: `SELECT ca.id AS ca_id, NULL::int AS shard FROM certificate_authorities ca LEFT JOIN crls c ON c.ca_id = ca.id WHERE ${pastHalf}
         UNION ALL SELECT c.ca_id, c.shard FROM crl_shards c WHERE ${pastHalf} ORDER BY 1, 2 NULLS FIRST`,
};
const numbers = {
  name: 'crl-numbers',
  text: `SELECT NULL::int AS shard, number FROM crls WHERE ca_id = $1 UNION ALL SELECT shard, number FROM crl_shards WHERE ca_id = $1`,
};
const everyAuthority = { name: 'crl-authorities', text: `SELECT id FROM certificate_authorities ORDER BY id` };
const outlook = {
  name: 'crl-outlook',
  // A list that lacks a revocation is due, whatever its age: whoever was to publish it may have died.
  text: `SELECT min(CASE WHEN published_epoch < status_epoch THEN $1::timestamptz ELSE this_update + (next_update - this_update) / 2 END) AS next_due,
                min(extract(epoch FROM next_update - $1::timestamptz) / nullif(extract(epoch FROM next_update - this_update), 0))::float8 AS validity_left
         FROM (SELECT this_update, next_update, status_epoch, published_epoch FROM crls
               UNION ALL SELECT this_update, next_update, status_epoch, published_epoch FROM crl_shards) c WHERE next_update IS NOT NULL`,
};

/** CRL numbers and contents; an entry stays on one CRL of each scope after its certificate's end (RFC 5280 §3.3). */
export function crlStore(database: Database): CrlStore {
  return {
    shards: crlShards(database),
    draft: (scope, now) =>
      database.transaction(async (session): Promise<CrlDraft> => {
        const { reserve, markLast, entries } = of(scope);
        const key = [scope.caId, scope.shard ?? null];
        const [counter] = await session.query<{ number: string; status_epoch: string }>(reserve, key);
        if (counter === undefined) throw new CaError('notFound', 'no such CRL');
        const url =
          scope.shard === undefined ? undefined : (await crlShards(session)(scope.caId)).find(({ shard }) => shard === scope.shard)?.url;
        await session.query(markLast, [...key, counter.number, now]);
        // The counter's row is locked, which every revocation of the scope wants: its pages are of one moment. What a shard lists meanwhile
        // may be on the complete CRL or not.
        const list = crlEntryList();
        for (let after: string | undefined = ''; after !== undefined;) {
          const rows: readonly EntryRow[] = await session.query<EntryRow>(entries, [...key, counter.number, after, entriesPerPage]);
          for (const { serial, revoked_at: revokedAt, reason } of rows) list.add({ serial, revokedAt, reason });
          after = rows.length < entriesPerPage ? undefined : rows.at(-1)?.serial;
        }
        return { number: BigInt(counter.number), epoch: BigInt(counter.status_epoch), entries: list, url };
      }),
    async numbers(caId) {
      const rows = await database.query<{ shard: number | null; number: string }>(numbers, [caId]);
      return new Map(rows.map(({ shard, number }) => [shard ?? undefined, BigInt(number)]));
    },
    async takeBack({ caId, shard }, entries) {
      const values = entries.map(({ serial, revokedAt, reason }) => ({ serial, revoked_at: revokedAt, reason }));
      return (await database.query<{ n: number }>(takeBack, [caId, JSON.stringify(values), shard ?? null]))[0]?.n ?? 0;
    },
    async adopt(caId, { shard, url }) {
      await database.query(adopt, [caId, shard, url]);
    },
    async raise({ caId, shard }, value, { published, taken }) {
      const values = [caId, value.toString(), published.toString(), taken];
      if (shard === undefined) await database.query(raiseComplete, values);
      else await database.query(raiseShard, [...values, shard]);
    },
    async authorities() {
      return (await database.query<{ id: string }>(everyAuthority, [])).map(({ id }) => id);
    },
    async published(scope, draft, thisUpdate, nextUpdate) {
      const { number, entries, epoch } = draft;
      await database.query(of(scope).published, [
        scope.caId,
        scope.shard ?? null,
        number.toString(),
        thisUpdate,
        nextUpdate,
        entries.count,
        epoch.toString(),
      ]);
    },
    async due(now) {
      const rows = await database.query<{ ca_id: string; shard: number | null }>(due, [now]);
      return rows.map(({ ca_id: caId, shard }) => ({ caId, shard: shard ?? undefined }));
    },
    async outlook(now) {
      const [row] = await database.query<{ next_due: Date | null; validity_left: number | null }>(outlook, [now]);
      return { nextDue: row?.next_due ?? undefined, validityLeft: row?.validity_left ?? undefined };
    },
  };
}

function of({ shard }: CrlScope): typeof complete {
  return shard === undefined ? complete : ofShard;
}
