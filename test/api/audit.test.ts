import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type pg from 'pg';
import { acmeClient } from '../acme/client.ts';
import fc from 'fast-check';
import { auditTrail } from '#adapters/postgres/audit.ts';
import { exactRows, joinedRows } from '#adapters/postgres/audit-rows.ts';
import { openDatabase, type Session } from '#adapters/postgres/database.ts';
import { runToEnd } from '../cloud.ts';
import { api, request, startPlatform, until, type Answer, type Platform } from '../platform.ts';

let platform: Platform;
let database: pg.Client;
let made = 0;
beforeAll(async () => {
  platform = await startPlatform({ args: ['--copies', '2'] });
  database = await platform.database();
});
afterAll(async () => {
  await database.end();
  await platform.stop();
});

interface Event {
  readonly id: string;
  readonly action: string;
  readonly actor_type: string;
  readonly resource_id: string;
  readonly seq: number | null;
  readonly hash: string | null;
}
interface Verdict {
  readonly state: string;
  readonly broken: { readonly seq: number; readonly kind: string } | null;
  readonly verified: { readonly seq: number; readonly hash: string };
  readonly anchor: { readonly seq: number } | null;
}

const list = async (query = ''): Promise<{ items: Event[]; next_cursor: string | null }> =>
  (await api(platform, 'GET', `/api/v1/audit${query}`)).json() as { items: Event[]; next_cursor: string | null };
const verify = async (body: object = {}): Promise<Verdict> =>
  (await api(platform, 'POST', '/api/v1/audit/verify', body)).json() as unknown as Verdict;
const change = (): Promise<unknown> => api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal', description: `n ${made++}` });
const seal = (): Promise<void> => runToEnd(platform, 'auditChainVerify');

/** What only somebody with the owner's rights can do to the trail. */
async function asOwner(...statements: string[]): Promise<void> {
  for (const table of ['audit_events', 'audit_seals']) await database.query(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
  try {
    for (const statement of statements) await database.query(statement);
  } finally {
    for (const table of ['audit_events', 'audit_seals']) await database.query(`ALTER TABLE ${table} ENABLE TRIGGER USER`);
  }
}

/** Spoils the trail, looks, and mends it again. */
async function spoilt(spoil: string[], mend: string[]): Promise<Verdict> {
  await asOwner(...spoil);
  try {
    return await verify();
  } finally {
    await asOwner(...mend);
    expect((await verify()).broken).toBeNull();
  }
}

test('what changed is listed newest first, filtered and paged', async () => {
  for (let i = 0; i < 5; i++) await change();
  const all = await list('?action=createEabKey&category=auth&actor=ak-bootstrap&limit=2');
  expect(all.items).toHaveLength(2);
  expect(BigInt(all.items[0]!.id)).toBeGreaterThan(BigInt(all.items[1]!.id));
  const next = await list(`?action=createEabKey&category=auth&actor=ak-bootstrap&limit=2&cursor=${all.next_cursor!}`);
  expect(BigInt(next.items[0]!.id)).toBeLessThan(BigInt(all.items[1]!.id));
  expect((await list('?until=2020-01-01T00:00:00Z')).items).toEqual([]);
  for (const wrong of ['category=nonsense', 'since=yesterday', 'since=0000-01-01T00:00:00Z', 'cursor=x', 'colour=green'])
    expect([wrong, (await api(platform, 'GET', `/api/v1/audit?${wrong}`)).status]).toEqual([wrong, 400]);
});

test('a change is sealed by the loop that the change woke, without anybody asking', async () => {
  await change();
  const [event] = (await list('?action=createEabKey&limit=1')).items;
  await until(
    'the event is sealed',
    async () => (await list(`?action=createEabKey&resource_id=${event!.resource_id}`)).items[0]?.seq ?? undefined,
    90,
  );
});

test('many writers and two sealers at once leave one chain without a gap, and every event in it once', async () => {
  await Promise.all([...Array.from({ length: 30 }, change), ...Array.from({ length: 6 }, () => verify())]);
  const verdict = await verify();
  expect([verdict.state, verdict.broken]).toEqual(['whole', null]);
  const { rows } = await database.query<{ sealed: string; events: string }>(
    `SELECT (SELECT max(seq) FROM audit_seals) AS sealed, (SELECT count(*) FROM audit_events) AS events`,
  );
  expect(rows[0]!.sealed).toBe(rows[0]!.events);
  expect(verdict.verified.seq).toBe(Number(rows[0]!.sealed));
  // What held needs not be walked again.
  await change();
  expect((await verify({ from: verdict.verified })).state).toBe('whole');
});

test('an event whose transaction ends long after later ones were sealed is sealed by the next change, and few events are looked at for that', async () => {
  const late = await platform.database();
  try {
    await late.query('BEGIN');
    const { rows } = await late.query<{ id: string }>(
      `INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category) VALUES ('late', 'System', 'late', 'late', 'late', 'config') RETURNING id`,
    );
    for (let i = 0; i < 5; i++) await change();
    await late.query('COMMIT');
    await change();
    const { rows: sealed } = await database.query(`SELECT seq FROM audit_seals WHERE event_id = $1`, [rows[0]!.id]);
    expect(sealed).toHaveLength(1);
  } finally {
    await late.end();
  }
  // Nobody is under way: the mark follows the end closely, however young the events are.
  await until('the mark is near the end', async () => {
    await change();
    const { rows } = await database.query<{ left: number }>(
      `SELECT count(*)::int AS left FROM audit_events WHERE id > (SELECT quick_id FROM audit_head)`,
    );
    return rows[0]!.left < 10 ? true : undefined;
  });
  expect((await verify()).state).toBe('whole');
});

test('a row that the owner of the database altered, deleted or moved is found where it is', async () => {
  for (let i = 0; i < 4; i++) await change();
  const { verified } = await verify();
  const at = verified.seq - 2;
  const id = `(SELECT event_id FROM audit_seals WHERE seq = ${at})`;
  expect(
    (
      await spoilt(
        [`UPDATE audit_events SET actor = actor || '!' WHERE id = ${id}`],
        [`UPDATE audit_events SET actor = rtrim(actor, '!') WHERE id = ${id}`],
      )
    ).broken,
  ).toEqual({ seq: at, kind: 'altered' });
  expect(
    (
      await spoilt(
        [`CREATE TABLE kept AS SELECT * FROM audit_events WHERE id = ${id}`, `DELETE FROM audit_events WHERE id = ${id}`],
        [`INSERT INTO audit_events OVERRIDING SYSTEM VALUE SELECT * FROM kept`, `DROP TABLE kept`],
      )
    ).broken,
  ).toEqual({ seq: at, kind: 'deleted' });
  const swap = [
    `UPDATE audit_seals SET seq = -1 WHERE seq = ${at}`,
    `UPDATE audit_seals SET seq = ${at} WHERE seq = ${at + 1}`,
    `UPDATE audit_seals SET seq = ${at + 1} WHERE seq = -1`,
  ];
  expect((await spoilt(swap, swap)).broken).toEqual({ seq: at, kind: 'altered' });
});

/** Events, as the owner of the database writes them, sealed; returns the place of the first. */
async function sealedEvents(events: readonly object[]): Promise<number> {
  const { verified } = await verify();
  await database.query(
    `INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category, at)
     SELECT actor, 'System', action, resource, resource, details, 'config', at
     FROM jsonb_to_recordset($1) AS e (actor text, action text, resource text, details jsonb, at timestamptz)`,
    [JSON.stringify(events)],
  );
  expect((await verify()).state).toBe('whole');
  return verified.seq;
}
const session = (): Session => ({
  query: async ({ text }, values) => (await database.query<never>(text, values as unknown[])).rows,
});

test('thousands of rows of any kind are read for a verification byte for byte as their canonical JSON is', async () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme-ascii' }),
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('', '"', '\\', '\\"', 'ü', '😀', '\u2028', '\u007f', 'ÿ\uffff'),
  );
  // JSON.parse of V8 13.6 takes the name \" for the name \\ when it has met that one in such an object before.
  const name = fc
    .oneof(text, fc.nat(200).map(String), fc.constantFrom('a', 'b', 'ab', 'B', '__proto__', 'toJSON', 'z', '😀', '\uff5e'))
    .map((given) => given.replace(/["\\]/g, '_'));
  const value = fc.oneof(
    text,
    fc.string(),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(0, -0, 1e15, 999_999_999_999_999, 2 ** 53, 1e21, 1.5, true, null),
    fc.array(fc.integer(), { maxLength: 2 }),
    fc.dictionary(name, fc.integer(), { maxKeys: 2 }),
  );
  const clean = (given: string): string => given.replaceAll('\0', '').toWellFormed();
  const events = fc
    .sample(
      fc.record({
        actor: text,
        action: text,
        resource: text,
        details: fc.dictionary(name, value, { maxKeys: 4 }),
        at: fc
          .date({ min: new Date('2021-01-01T00:00:00Z'), max: new Date('2025-12-31T00:00:00Z'), noInvalidDate: true })
          .map((date) => date.toISOString()),
      }),
      4000,
    )
    .map((event) => ({ ...event, details: JSON.parse(JSON.stringify(event.details).replaceAll('\\u0000', '')) as never }));
  for (const event of events)
    for (const member of ['actor', 'action', 'resource'] as const) event[member] = clean(event[member]).replace(/[\x00-\x1f]/g, '');
  const first = await sealedEvents(events);
  for (let after = first; after < first + events.length; after += 250) {
    const [read, exact] = [await joinedRows(session(), after, 250), await exactRows(session(), after, 250)];
    expect(read).toBeDefined();
    expect(read!.seqs).toEqual(exact.seqs);
    expect(read!.hashes.equals(exact.hashes)).toBe(true);
    for (const [index, start] of exact.starts.entries())
      expect(read!.bytes.toString('utf8', read!.starts[index]! + 32, read!.ends[index])).toBe(
        exact.bytes.toString('utf8', start + 32, exact.ends[index]),
      );
  }
});

test('what separates members and rows, moved from one into another, is found, and so is a member that is not there any more', async () => {
  const odd = { actor: 'a\u001fb', action: 'c\u001ed', resource: '\t', details: {} as never, at: '2026-11-25T00:00:00.120Z' };
  const first = await sealedEvents([odd, { ...odd, actor: 'plain', action: 'plain', resource: 'plain' }]);
  expect(await joinedRows(session(), first, 1)).toBeUndefined();
  const id = (seq: number): string => `(SELECT event_id FROM audit_seals WHERE seq = ${seq})`;
  const set = (what: string, seq: number): string => `UPDATE audit_events SET ${what} WHERE id = ${id(seq)}`;
  expect(
    (
      await spoilt(
        [set(`actor = 'a', actor_type = 'System', action = E'b\\x1fc\\x1ed'`, first + 1)],
        [set(`actor = E'a\\x1fb', action = E'c\\x1ed'`, first + 1)],
      )
    ).broken,
  ).toEqual({ seq: first + 1, kind: 'altered' });
  expect(
    (
      await spoilt(
        [`ALTER TABLE audit_events ALTER actor DROP NOT NULL`, set(`actor = NULL, action = E'plain\\x1fplain'`, first + 2)],
        [set(`actor = 'plain', action = 'plain'`, first + 2), `ALTER TABLE audit_events ALTER actor SET NOT NULL`],
      )
    ).broken,
  ).toEqual({ seq: first + 2, kind: 'altered' });
});

test('a row that was deleted, or made null, after another was made to say what it said, is found', async () => {
  const said = { action: 'said', resource: 'r', details: { n: 1 } as never, at: '2026-11-25T00:00:00.120Z' };
  const first = await sealedEvents([
    { ...said, actor: 'one' },
    { ...said, actor: 'two' },
  ]);
  const [one, two] = [first + 1, first + 2].map((seq) => `(SELECT event_id FROM audit_seals WHERE seq = ${seq})`);
  const whole = (at: string): string =>
    `concat_ws(E'\\x1f', action, actor, actor_type, ${at}, category, details, id, resource_id, resource_type)`;
  const told = `UPDATE audit_events SET resource_type = resource_type || E'\\x1e' || (SELECT ${whole('at')} FROM audit_events WHERE id = ${two}) WHERE id = ${one}`;
  const untold = `UPDATE audit_events SET resource_type = 'r' WHERE id = ${one}`;
  const ways = [
    [
      [`CREATE TEMP TABLE kept AS SELECT * FROM audit_events WHERE id = ${two}`, `DELETE FROM audit_events WHERE id = ${two}`],
      ['INSERT INTO audit_events OVERRIDING SYSTEM VALUE SELECT * FROM kept', 'DROP TABLE kept'],
    ],
    [
      [`ALTER TABLE audit_events ALTER actor DROP NOT NULL`, `UPDATE audit_events SET actor = NULL WHERE id = ${two}`],
      [`UPDATE audit_events SET actor = 'two' WHERE id = ${two}`, `ALTER TABLE audit_events ALTER actor SET NOT NULL`],
    ],
  ] as const;
  expect(await joinedRows(session(), first, 2)).toBeDefined();
  for (const [hide, mend] of ways) {
    await asOwner(told, ...hide);
    try {
      expect(await joinedRows(session(), first, 2)).toBeUndefined();
      expect((await verify()).broken).toEqual({ seq: first + 1, kind: 'altered' });
    } finally {
      await asOwner(untold, ...mend);
    }
  }
});

test('a tail that was cut off is found by the head; with the head rewritten too, by the anchor outside', async () => {
  await change();
  await seal();
  await database.query(`UPDATE audit_head SET anchored_at = NULL`);
  await change();
  await seal();
  const { anchor, verified } = await verify();
  expect(anchor!.seq).toBeGreaterThan(0);
  // The last row is hidden from the chain, and its event from the sealer.
  const cut = [
    'CREATE TABLE cut AS SELECT * FROM audit_seals ORDER BY seq DESC LIMIT 1',
    'DELETE FROM audit_seals WHERE seq = (SELECT seq FROM cut)',
    'UPDATE audit_head SET settled_id = settled_id + 1000000',
  ];
  const back = ['INSERT INTO audit_seals SELECT * FROM cut', 'DROP TABLE cut', 'UPDATE audit_head SET settled_id = settled_id - 1000000'];
  expect((await spoilt(cut, back)).broken).toEqual({ seq: verified.seq, kind: 'truncated' });
  const rewritten = await spoilt(
    [
      'CREATE TABLE cut AS SELECT * FROM audit_seals',
      'CREATE TABLE old AS SELECT * FROM audit_head',
      `DELETE FROM audit_seals WHERE seq >= ${anchor!.seq}`,
      `UPDATE audit_head SET settled_id = settled_id + 1000000, seq = ${anchor!.seq - 1}, hash = (SELECT row_hash FROM audit_seals WHERE seq = ${anchor!.seq - 1})`,
    ],
    [
      `INSERT INTO audit_seals SELECT * FROM cut WHERE seq >= ${anchor!.seq}`,
      'UPDATE audit_head SET settled_id = old.settled_id, seq = old.seq, hash = old.hash FROM old',
      'DROP TABLE cut',
      'DROP TABLE old',
    ],
  );
  expect(rewritten.broken).toEqual({ seq: anchor!.seq, kind: 'truncated' });
});

test('the loop says that the chain is broken, and goes on saying so until it is mended', async () => {
  await change();
  await seal();
  const chain = async (): Promise<{ broken: { kind: string } | null }> =>
    (await api(platform, 'GET', '/api/v1/audit/chain')).json() as never;
  await change();
  // Where the loop goes on from, in the statement itself: the schedule's own run may have gone further a moment ago.
  const last = `seq = (SELECT verified_seq FROM audit_head)`;
  await asOwner(`UPDATE audit_seals SET row_hash = sha256(row_hash) WHERE ${last}`);
  for (let i = 0; i < 2; i++) {
    await seal();
    expect((await chain()).broken).toMatchObject({ kind: 'rewritten' });
  }
  await asOwner(`UPDATE audit_seals SET row_hash = (SELECT verified_hash FROM audit_head) WHERE ${last}`);
  await seal();
  expect((await chain()).broken).toBeNull();
});

test('the auditor exports a time as NDJSON, a line an event, and sees nothing else', async () => {
  const answer = await api(platform, 'POST', '/api/v1/auth/keys', { name: 'auditor', roles: [{ role: 'r-auditor' }] });
  const headers = { authorization: `Bearer ${(answer.json() as { token: string }).token}` };
  const exported = await request(platform, `${platform.url}/api/v1/audit/export?category=auth&limit=3`, { headers });
  expect([exported.status, exported.headers['content-type']]).toEqual([200, 'application/x-ndjson']);
  const events = exported.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Event);
  expect(events.map(({ action }) => action)).toEqual(['grantRole', 'createApiKey', expect.any(String)]);
  expect((await request(platform, `${platform.url}/api/v1/certificates`, { headers })).status).toBe(403);
});

test('a change is sealed when its answer comes', async () => {
  await change();
  const [event] = (await list('?action=createEabKey&limit=1')).items;
  expect(event!.seq).not.toBe(null);
});

test('a change by an ACME client is sealed by the worker soon after, while the loop rests', async () => {
  const rest = (enabled: boolean): Promise<Answer> =>
    api(platform, 'PUT', '/api/v1/admin/loops/auditChainVerify', { enabled, reason: 'a test' });
  expect((await rest(false)).status).toBe(200);
  try {
    const { headers } = await (await acmeClient(platform)).register();
    const id = headers['location']!.split('/').at(-1)!;
    const sealed = await until('it is sealed', async () => (await list(`?resource_id=${id}`)).items.find(({ seq }) => seq !== null));
    expect(sealed.action).toBe('acme_account_created');
  } finally {
    await rest(true);
  }
});

test('a burst of events is sealed by look-ups, also by a connection that planned them when there were few', async () => {
  const walked = async (): Promise<number> => {
    await database.query('SELECT pg_stat_clear_snapshot()');
    const { rows } = await database.query<{ n: string }>(`SELECT seq_tup_read AS n FROM pg_stat_user_tables WHERE relname = 'audit_seals'`);
    return Number(rows[0]?.n);
  };
  const connection = openDatabase({
    host: platform.instance.socketFolder,
    port: 5432,
    database: 'certctl',
    credentials: () => Promise.resolve({ user: 'certctl_owner', password: undefined }),
    tls: false,
    connections: 1,
    connectTimeoutMs: 5000,
    application: 'a-burst',
  });
  try {
    await database.query('VACUUM ANALYZE audit_seals');
    const trail = auditTrail(connection);
    await trail.seal(10);
    const before = await walked();
    await database.query(
      `INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
       SELECT 'burst', 'System', 'burst', 'burst', 'burst', '{}', 'config' FROM generate_series(1, 4000)`,
    );
    for (let sealed = -1; sealed !== 0;) sealed = await trail.seal(1000);
    await trail.unsealed();
    await connection.close();
    const { rows } = await database.query<{ n: number }>('SELECT count(*)::int AS n FROM audit_seals');
    expect((await walked()) - before).toBeLessThan(10 * (rows[0]?.n ?? 0));
  } finally {
    await connection.close();
  }
});

test('who may not, and keys that are none, are in the trail: some of many, and none of what brings no key', async () => {
  const key = (await api(platform, 'POST', '/api/v1/auth/keys', { name: 'refused', roles: [{ role: 'r-auditor' }] })).json();
  const ask = (authorization: string | undefined): Promise<Answer> =>
    request(platform, `${platform.url}/api/v1/profiles`, { headers: authorization === undefined ? {} : { authorization } });
  for (let i = 0; i < 14; i++) expect((await ask(`Bearer ${String(key['token'])}`)).status).toBe(403);
  for (let i = 0; i < 3; i++) expect((await ask(`Bearer ck_0000000${i}_${'x'.repeat(43)}`)).status).toBe(401);
  for (let i = 0; i < 3; i++) expect((await ask(undefined)).status).toBe(401);
  const mine = await list(`?action=refused&actor=${String(key['id'])}&limit=100`);
  expect(mine.items).toHaveLength(10);
  expect(mine.items[0]).toMatchObject({ actor_type: 'APIKey', resource_id: 'GET /api/v1/profiles', details: { code: 'unauthorized' } });
  const strangers = (await list('?action=refused&limit=100')).items.filter((event) => event.actor_type === 'Anonymous');
  expect(strangers).toHaveLength(3);
  expect(JSON.stringify(strangers)).not.toContain('xxxxxxxx');
});

test.each(['ndjson', 'csv'])(
  'an export as %s lies behind a link, part by part, with its sum, and is itself in the trail',
  async (format) => {
    for (let i = 0; i < 3; i++) await change();
    const before = new Date().toISOString();
    const made = await api(platform, 'POST', '/api/v1/audit/exports', { format, until: before, action: 'createEabKey' });
    expect(made.status).toBe(201);
    const { parts, rows, next_cursor } = made.json() as {
      parts: { url: string; rows: number; bytes: number; sha256: string }[];
      rows: number;
      next_cursor: string | null;
    };
    expect([parts.length, parts[0]!.rows, next_cursor]).toEqual([1, rows, null]);
    const file = Buffer.from(await (await fetch(parts[0]!.url)).arrayBuffer());
    expect([file.length, createHash('sha256').update(file).digest('hex')]).toEqual([parts[0]!.bytes, parts[0]!.sha256]);
    expect(
      file
        .toString('utf8')
        .split('\n')
        .filter((line) => line !== ''),
    ).toHaveLength(format === 'csv' ? rows + 1 : rows);
    expect(parts[0]!.url).toMatch(/X-Amz-Expires=900.*X-Amz-Signature=/);
    const [noted] = (await list('?action=exportAudit&limit=1')).items;
    expect(noted).toMatchObject({ details: { format, rows, action: 'createEabKey' } });
  },
);
