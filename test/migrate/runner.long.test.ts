import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lockId } from '#functions/migrate/migration-lock.ts';
import { readManifest } from '#functions/migrate/manifest.ts';
import { until } from '../platform.ts';
import type { RunnerReport } from './apply.ts';
import { ledgerOf, releaseFiles, releaseFolder, startRunner, startServer, tablesOf, type TestServer } from './server.ts';

let server: TestServer;
let database: string;
beforeAll(async () => (server = await startServer()));
afterAll(() => server.stop());

async function fresh(): Promise<pg.Client> {
  database = await server.database();
  return server.connect(database);
}

const run = async (folder: string, lockMs?: number): Promise<RunnerReport> => {
  const report = await startRunner(server, database, folder, lockMs).report;
  if (report === undefined) throw new Error('the runner was killed');
  return report;
};

/** Five files, one table each. */
const five = Object.fromEntries([1, 2, 3, 4, 5].map((n) => [`00000${n}_t${n}.up.sql`, `CREATE TABLE t${n} (id integer PRIMARY KEY);\n`]));
const names = Object.keys(five);

/** A backend of the runner that is in the middle of something. */
const backend = (client: pg.Client, condition: string): Promise<number> =>
  until(`the runner is where ${condition}`, async () => {
    const { rows } = await client.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'migrator/test' AND ${condition}`,
    );
    return rows[0]?.pid;
  });

test('PopulatesSchemaMigrations: the ledger is there, and every version is a file name', async () => {
  const client = await fresh();
  expect(await run(releaseFolder)).toMatchObject({ applied: { applied: releaseFiles.length } });
  const ledger = await ledgerOf(client);
  expect(ledger.length).toBeGreaterThan(0);
  for (const version of ledger) expect(version).toMatch(/^\d{6}_.*\.up\.sql$/);
});

test('SkipsAppliedOnSecondCall: a second run changes nothing', async () => {
  const client = await fresh();
  await run(releaseFolder);
  const rows = async (): Promise<unknown[]> => (await client.query('SELECT * FROM schema_migrations ORDER BY version')).rows as unknown[];
  const before = await rows();
  expect(await run(releaseFolder)).toMatchObject({ applied: { applied: 0, total: releaseFiles.length, ahead: false } });
  expect(await rows()).toEqual(before);
});

test('ConcurrentCallsSerialized: given an empty schema and four runners at once, all succeed and each file is applied once', async () => {
  const client = await fresh();
  const reports = await Promise.all(Array.from({ length: 4 }, () => run(releaseFolder)));
  expect(reports.map((report) => report.error)).toEqual([undefined, undefined, undefined, undefined]);
  expect(reports.map((report) => report.applied?.applied).sort()).toEqual([0, 0, 0, releaseFiles.length].sort());
  expect(await ledgerOf(client)).toEqual(releaseFiles);
});

test('FreshDatabaseHappyPath: the ledger is the manifest: names, hashes, and the time that each took', async () => {
  const client = await fresh();
  await run(releaseFolder);
  const { rows } = await client.query<{ version: string; sha256: string; duration_ms: number; release: string; applied_at: Date }>(
    'SELECT * FROM schema_migrations ORDER BY version',
  );
  expect(rows.map((row) => [row.version, row.sha256])).toEqual(readManifest(releaseFolder).map((file) => [file.version, file.sha256]));
  expect(rows.every((row) => row.release === 'test' && row.applied_at instanceof Date)).toBe(true);
});

test('a file’s duration is its own, not that of the whole run', async () => {
  const client = await fresh();
  await run(server.folder({ '000001_slow.up.sql': 'SELECT pg_sleep(0.5);\n', '000002_quick.up.sql': 'CREATE TABLE quick ();\n' }));
  const { rows } = await client.query<{ duration_ms: number }>('SELECT duration_ms FROM schema_migrations ORDER BY version');
  expect(rows[0]?.duration_ms).toBeGreaterThanOrEqual(500);
  expect(rows[1]!.duration_ms).toBeLessThan(rows[0]!.duration_ms);
});

test('FailingFileLeavesNoTrace: file 3 of 5 fails half-way; the ledger says 1 and 2, and after the file is mended 3, 4 and 5 follow', async () => {
  const client = await fresh();
  const broken = {
    ...five,
    [names[2]!]: `CREATE TABLE t3 (id integer);\nINSERT INTO t3 VALUES (1);\nINSERT INTO missing VALUES ('secret value');\n`,
  };
  const failed = await run(server.folder(broken));
  expect(failed.error).toBe(`${names[2]}: 42P01 relation "missing" does not exist`);
  expect([await tablesOf(client), await ledgerOf(client)]).toEqual([['t1', 't2'], names.slice(0, 2)]);
  expect(await run(server.folder(five))).toMatchObject({ applied: { applied: 3, total: 5, head: names[4] } });
  expect([await tablesOf(client), await ledgerOf(client)]).toEqual([['t1', 't2', 't3', 't4', 't5'], names]);
});

test('KilledBetweenSqlAndLedger: a runner that is killed after its SQL and before its commit leaves neither effect nor row', async () => {
  const client = await fresh();
  await run(server.folder({ [names[0]!]: five[names[0]!]! }));
  // The ledger's row waits for a lock that we hold: exactly between the file's SQL and the commit.
  await client.query(`
    CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(99); RETURN NEW; END';
    CREATE TRIGGER wait_for_test BEFORE INSERT ON schema_migrations FOR EACH ROW EXECUTE FUNCTION wait_for_test()`);
  await client.query('SELECT pg_advisory_lock(99)');
  const victim = startRunner(server, database, server.folder({ [names[0]!]: five[names[0]!]!, [names[1]!]: five[names[1]!]! }));
  await backend(client, `wait_event_type = 'Lock' AND query LIKE 'INSERT INTO schema_migrations%'`);
  victim.process.kill('SIGKILL');
  expect(await victim.report).toBeUndefined();
  // lock_timeout of the file's own statement, or the dead connection, ends the backend.
  await until('the backend is gone', async () => {
    const { rows } = await client.query(
      `SELECT FROM pg_stat_activity WHERE application_name = 'migrator/test' AND datname = current_database()`,
    );
    return rows.length === 0 || undefined;
  });
  await client.query('SELECT pg_advisory_unlock(99); DROP TRIGGER wait_for_test ON schema_migrations; DROP FUNCTION wait_for_test()');
  expect([await tablesOf(client), await ledgerOf(client)]).toEqual([['t1'], names.slice(0, 1)]);
  expect(await run(server.folder(five))).toMatchObject({ applied: { applied: 4, total: 5 } });
});

test.each<[string, (files: Record<string, string>) => Record<string, string>, string]>([
  [
    'an applied file that was edited',
    (files) => ({ ...files, [names[1]!]: 'CREATE TABLE t2 (id bigint PRIMARY KEY);\n' }),
    `checksum drift: ${names[1]}`,
  ],
  [
    'an applied file with carriage returns',
    (files) => ({ ...files, [names[1]!]: files[names[1]!]!.replaceAll('\n', '\r\n') }),
    `${names[1]}: carriage returns`,
  ],
  [
    'an applied file that was replaced by another name',
    (files) => ({ [names[0]!]: files[names[0]!]!, '000002_other.up.sql': 'CREATE TABLE other ();\n', [names[2]!]: files[names[2]!]! }),
    `applied, but not in this release: ${names[1]}; inserted below what is applied: 000002_other.up.sql`,
  ],
])('ChecksumDriftRefuses: given %s, nothing runs and the file is named', async (_, change, message) => {
  const client = await fresh();
  const three = Object.fromEntries(names.slice(0, 3).map((name) => [name, five[name]!]));
  await run(server.folder(three));
  const report = await run(server.folder(change({ ...three, [names[3]!]: five[names[3]!]! })));
  expect(report.error).toContain(message.split(';')[0]);
  for (const part of message.split('; ')) expect(report.error).toContain(part);
  expect([await tablesOf(client), await ledgerOf(client)]).toEqual([['t1', 't2', 't3'], names.slice(0, 3)]);
});

test('ChecksumDriftRefuses: a ledger that disagrees with the release is never taken for a roll-back', async () => {
  const client = await fresh();
  await run(server.folder(five));
  await client.query(`UPDATE schema_migrations SET sha256 = repeat('0', 64) WHERE version = $1`, [names[0]]);
  const older = Object.fromEntries(names.slice(0, 3).map((name) => [name, five[name]!]));
  expect((await run(server.folder(older))).error).toBe(`checksum drift: ${names[0]}`);
});

test('LockWaitDeadline: while a foreign session holds the lock a runner gives up in time, without DDL and without the lock; then it succeeds', async () => {
  const client = await fresh();
  await client.query('SELECT pg_advisory_lock($1::bigint)', [lockId]);
  const report = await run(server.folder(five), 1500);
  expect(report.error).toBe('another migration holds the lock; deploy again later');
  // As five minutes are to five minutes and ten seconds.
  expect(report.milliseconds).toBeLessThan(1500 + 10_000);
  expect(await tablesOf(client)).toEqual([]);
  await client.query('SELECT pg_advisory_unlock($1::bigint)', [lockId]);
  const { rows } = await client.query(
    `SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );
  expect(rows).toEqual([]);
  expect(await run(server.folder(five))).toMatchObject({ applied: { applied: 5 } });
});

test(
  'LockReleasedOnCrash: when the holder is killed in the middle of a long statement, the next runner proceeds within five seconds',
  { timeout: 60_000 },
  async () => {
    const client = await fresh();
    const slow = startRunner(server, database, server.folder({ '000001_slow.up.sql': 'CREATE TABLE slow (); SELECT pg_sleep(600);\n' }));
    await backend(client, `wait_event = 'PgSleep'`);
    const next = startRunner(server, database, server.folder({ '000001_quick.up.sql': 'CREATE TABLE quick ();\n' }));
    await backend(client, `query LIKE '%pg_try_advisory_lock%'`);
    const killed = performance.now();
    slow.process.kill('SIGKILL');
    expect(await next.report).toMatchObject({ applied: { applied: 1 } });
    expect(performance.now() - killed).toBeLessThan(5000);
    expect(await tablesOf(client)).toEqual(['quick']);
  },
);

test('the lock’s number is not rounded: PostgreSQL holds 7283164759461502341', async () => {
  const client = await fresh();
  const holder = startRunner(server, database, server.folder({ '000001_wait.up.sql': 'SELECT pg_sleep(600);\n' }));
  await backend(client, `wait_event = 'PgSleep'`);
  const { rows } = await client.query<{ id: string }>(
    `SELECT ((classid::bigint << 32) | objid::bigint)::text AS id FROM pg_locks
     WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  );
  expect(rows).toEqual([{ id: '7283164759461502341' }]);
  holder.process.kill('SIGKILL');
  await holder.report;
});

test('a file that cannot get a table’s lock tries again, and does not make others wait for ever', { timeout: 60_000 }, async () => {
  const client = await fresh();
  await run(server.folder({ [names[0]!]: five[names[0]!]! }));
  const reader = await server.connect(database);
  await reader.query(`BEGIN; LOCK TABLE t1 IN ACCESS SHARE MODE`);
  const alter = { [names[0]!]: five[names[0]!]!, '000002_alter.up.sql': 'ALTER TABLE t1 ADD COLUMN more text;\n' };
  const waiting = startRunner(server, database, server.folder(alter));
  await backend(client, `wait_event_type = 'Lock'`);
  // It gave up once: what queued behind it could go on.
  await backend(client, `state = 'idle' AND query = 'ROLLBACK'`);
  await reader.query('COMMIT');
  expect(await waiting.report).toMatchObject({ applied: { applied: 1 } });
});

test('an index built CONCURRENTLY that was left INVALID is built anew; a valid one without a row is recorded', async () => {
  const client = await fresh();
  const index = {
    [names[0]!]: five[names[0]!]!,
    '000002_index.up.sql': '-- while others write\nCREATE UNIQUE INDEX CONCURRENTLY t1_twice ON t1 ((id % 2));\n',
  };
  await run(server.folder({ [names[0]!]: five[names[0]!]! }));
  await client.query('INSERT INTO t1 VALUES (1), (3)');
  expect((await run(server.folder(index))).error).toMatch(/^000002_index\.up\.sql: 23505 /);
  const valid = async (): Promise<unknown> =>
    (await client.query<{ indisvalid: boolean }>(`SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('t1_twice')`)).rows[0]
      ?.indisvalid;
  expect([await valid(), await ledgerOf(client)]).toEqual([false, names.slice(0, 1)]);
  await client.query('DELETE FROM t1 WHERE id = 3');
  expect(await run(server.folder(index))).toMatchObject({ applied: { applied: 1 } });
  expect(await valid()).toBe(true);
  // Killed between the index and its row.
  await client.query(`DELETE FROM schema_migrations WHERE version = '000002_index.up.sql'`);
  expect(await run(server.folder(index))).toMatchObject({ applied: { applied: 1 } });
  const dropped = { ...index, '000003_drop.up.sql': 'DROP INDEX CONCURRENTLY IF EXISTS t1_twice;\n' };
  expect(await run(server.folder(dropped))).toMatchObject({ applied: { applied: 1 } });
  expect(await valid()).toBeUndefined();
});

test('two runners at once do not hold each other up over an index built CONCURRENTLY', async () => {
  await fresh();
  const folder = server.folder({ [names[0]!]: five[names[0]!]!, '000002_index.up.sql': 'CREATE INDEX CONCURRENTLY t1_id ON t1 (id);\n' });
  const reports = await Promise.all([run(folder), run(folder), run(folder)]);
  expect(reports.map((report) => [report.error, report.applied?.total])).toEqual([
    [undefined, 2],
    [undefined, 2],
    [undefined, 2],
  ]);
});

test('a former ledger that is ahead of ours, because its runner was killed before it copied, is taken over', async () => {
  const client = await fresh();
  const { migrate } = await import('postgres-migrations');
  await migrate({ client }, releaseFolder);
  expect(await run(releaseFolder)).toMatchObject({ applied: { applied: 0, total: releaseFiles.length } });
  expect(await ledgerOf(client)).toEqual(releaseFiles);
});

test('a former ledger that knew another file refuses', async () => {
  const client = await fresh();
  const { migrate } = await import('postgres-migrations');
  await migrate({ client }, server.folder(five));
  const edited = { ...five, [names[3]!]: 'CREATE TABLE t4 (id bigint);\n' };
  expect((await run(server.folder(edited))).error).toBe(`checksum drift: ${names[3]}`);
});

test('the files of the release are LF only', () => {
  for (const name of releaseFiles) expect([name, readFileSync(join(releaseFolder, name)).includes(0x0d)]).toEqual([name, false]);
});
