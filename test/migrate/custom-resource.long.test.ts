import './quiet.ts';
import type { CloudFormationCustomResourceEvent, Context } from 'aws-lambda';
import { randomUUID } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { dynamodb } from '#infra/local/cloud/dynamodb/service.ts';
import { openTables } from '#infra/local/cloud/dynamodb/store.ts';
import { listen, type Endpoint } from '#infra/local/cloud/endpoint.ts';
import { kms } from '#infra/local/cloud/kms.ts';
import { ownerRole } from '#infra/local/data-folder.ts';
import { handler } from '#functions/migrate/handler.ts';
import { lockId } from '#functions/migrate/migration-lock.ts';
import { ledgerOf, releaseFiles, startServer, tablesOf, type TestServer } from './server.ts';

interface Answer {
  readonly Status: string;
  readonly Reason?: string;
  readonly PhysicalResourceId: string;
  readonly RequestId: string;
  readonly Data?: Readonly<Record<string, string>>;
}

const folder = mkdtempSync(join(tmpdir(), 'certctl-resource-'));
const keyArn = 'arn:aws:kms:us-east-1:000000000000:key/envelope';
let server: TestServer;
let cloud: Endpoint;
let cloudFormation: http.Server;
let answers: Answer[] = [];
let refuse = 0;
let database: string;
let client: pg.Client;
const before = { ...process.env };

beforeAll(async () => {
  server = await startServer();
  const tables = openTables([{ name: 'State', ttl: 'exp' }], undefined);
  const nothing = (): never => {
    throw new Error('not here');
  };
  mkdirSync(join(folder, 'keys'));
  cloud = await listen(
    { dynamodb: dynamodb(tables), kms: kms(join(folder, 'keys'), [keyArn]), sqs: nothing, s3: nothing, invoke: nothing, answered: nothing },
    0,
  );
  cloudFormation = http.createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      const ok = refuse-- <= 0;
      if (ok) answers.push(JSON.parse(text) as Answer);
      response.writeHead(ok ? 200 : 503).end();
    });
  });
  await new Promise<void>((resolve) => cloudFormation.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  await server.stop();
  await cloud.close();
  cloudFormation.close();
  cloudFormation.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  answers = [];
  refuse = 0;
  database = await server.database();
  client = await server.connect(database);
  Object.assign(process.env, {
    DATABASE_HOST: server.socketFolder,
    DATABASE_NAME: database,
    DATABASE_USER: ownerRole,
    DATABASE_AUTH: 'iam',
    STATE_TABLE: 'State',
    ENVELOPE_KEY_ARN: keyArn,
    PUBLIC_BASE_URL: 'https://localhost',
    PKI_BASE_URL: 'http://localhost',
    AWS_ENDPOINT_URL: cloud.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    MIGRATION_LOCK_WAIT_MS: '1500',
    CERTCTL_RELEASE: 'one',
    LAMBDA_TASK_ROOT: release(releaseFiles.length),
  });
});
afterEach(() => {
  process.env = { ...before };
});

/** A deployed bundle with the first so many migrations, or with files of the test. */
function release(files: number | Record<string, string>): string {
  const task = join(folder, randomUUID());
  mkdirSync(task);
  cpSync(server.folder(files), join(task, 'schema'), { recursive: true });
  return task;
}

function event(RequestType: 'Create' | 'Update' | 'Delete', more: object = {}): CloudFormationCustomResourceEvent {
  return {
    RequestType,
    ResponseURL: `http://127.0.0.1:${(cloudFormation.address() as AddressInfo).port}/answer`,
    StackId: 'arn:aws:cloudformation:us-east-1:000000000000:stack/test/test',
    RequestId: randomUUID(),
    LogicalResourceId: 'Schema',
    ResourceType: 'Custom::CertctlSchema',
    ServiceToken: 'arn',
    ResourceProperties: { ServiceToken: 'arn' },
    ...(RequestType !== 'Create' && { PhysicalResourceId: 'schema:as-it-was' }),
    ...(RequestType === 'Update' && { OldResourceProperties: {} }),
    ...more,
  } as CloudFormationCustomResourceEvent;
}

function lambda(remainingMs = 840_000): Context {
  const end = Date.now() + remainingMs;
  return { getRemainingTimeInMillis: () => end - Date.now() } as Context;
}

async function answerTo(sent: CloudFormationCustomResourceEvent, remainingMs?: number): Promise<Answer> {
  await handler(sent, lambda(remainingMs));
  const answer = answers.at(-1);
  if (answer === undefined) throw new Error('there was no answer');
  expect(answer.RequestId).toBe(sent.RequestId);
  return answer;
}

test('Create applies, seeds and answers with what it did; the same event once more reports success again', async () => {
  const create = event('Create');
  const first = await answerTo(create);
  expect(first).toMatchObject({
    Status: 'SUCCESS',
    PhysicalResourceId: `schema:${server.socketFolder}/${database}`,
    Data: { applied: String(releaseFiles.length), total: String(releaseFiles.length), head: releaseFiles.at(-1) },
  });
  const authorities = async (): Promise<unknown> =>
    (await client.query('SELECT id, certificate FROM certificate_authorities ORDER BY id')).rows;
  const seeded = await authorities();
  const again = await answerTo(create);
  expect([again.Status, again.PhysicalResourceId]).toEqual(['SUCCESS', first.PhysicalResourceId]);
  expect(await authorities()).toEqual(seeded);
});

test('Update applies without the seed, under the name that CloudFormation knows', async () => {
  const answer = await answerTo(event('Update'));
  expect(answer).toMatchObject({ Status: 'SUCCESS', PhysicalResourceId: 'schema:as-it-was' });
  expect((await client.query('SELECT FROM certificate_authorities')).rows).toEqual([]);
});

test('RollbackUpdateIsNoop: an older manifest after a newer is success, "schema ahead", the same name, and no DDL', async () => {
  await answerTo(event('Update'));
  const catalog = async (): Promise<unknown> => [await ledgerOf(client), await tablesOf(client)];
  const now = await catalog();
  process.env['LAMBDA_TASK_ROOT'] = release(releaseFiles.length - 2);
  const xid = async (): Promise<string> =>
    (await client.query<{ n: string }>(`SELECT count(*) AS n FROM schema_migrations`)).rows[0]?.n ?? '';
  const rows = await xid();
  const answer = await answerTo(event('Update'));
  expect(answer).toMatchObject({
    Status: 'SUCCESS',
    PhysicalResourceId: 'schema:as-it-was',
    Data: { applied: '0', note: 'schema ahead', head: releaseFiles.at(-1) },
  });
  expect([await catalog(), await xid()]).toEqual([now, rows]);
});

test('DeleteAlwaysSucceeds: with the database unreachable, within five seconds', async () => {
  process.env['DATABASE_HOST'] = '192.0.2.1';
  const began = performance.now();
  expect(await answerTo(event('Delete'))).toMatchObject({ Status: 'SUCCESS', PhysicalResourceId: 'schema:as-it-was' });
  expect(performance.now() - began).toBeLessThan(5000);
});

test('DeleteAlwaysSucceeds: nothing of the schema is touched', async () => {
  await answerTo(event('Update'));
  await answerTo(event('Delete'));
  expect(await ledgerOf(client)).toEqual(releaseFiles);
});

test.each<[string, () => unknown, RegExp]>([
  [
    'a failing file',
    () => void (process.env['LAMBDA_TASK_ROOT'] = release({ '000001_bad.up.sql': `SELECT 'a secret' FROM missing;\n` })),
    /^000001_bad\.up\.sql: 42P01 relation "missing" does not exist$/,
  ],
  [
    'a ledger that disagrees',
    async () => {
      await answerTo(event('Update'));
      return client.query(`UPDATE schema_migrations SET sha256 = repeat('0', 64) WHERE version = $1`, [releaseFiles[0]]);
    },
    /^checksum drift: 000001_profiles\.up\.sql$/,
  ],
  ['a lock that stays taken', () => client.query('SELECT pg_advisory_lock($1::bigint)', [lockId]), /^another migration holds the lock/],
  ['a database that does not exist', () => void (process.env['DATABASE_NAME'] = 'nowhere'), /does not exist/],
  [
    'a function that is not configured',
    () => void Reflect.deleteProperty(process.env, 'STATE_TABLE'),
    /^the function is not configured: STATE_TABLE$/,
  ],
  ['files that are not there', () => void (process.env['LAMBDA_TASK_ROOT'] = '/nowhere'), /ENOENT/],
  [
    'a gap in the numbers',
    () => void (process.env['LAMBDA_TASK_ROOT'] = release({ '000002_second.up.sql': 'SELECT 1;\n' })),
    /without gap/,
  ],
])('given %s, the answer is FAILED with the reason, and no statement or secret in it', async (_, arrange, reason) => {
  await arrange();
  const answer = await answerTo(event('Update'));
  expect(answer.Status).toBe('FAILED');
  expect(answer.Reason).toMatch(reason);
  expect(answer.Reason).not.toMatch(/secret'|SELECT 1/);
  expect(answer.Reason!.length).toBeLessThanOrEqual(1000);
});

test('a run that is about to be cut off answers before, and what it had not committed is gone', async () => {
  process.env['LAMBDA_TASK_ROOT'] = release({ '000001_slow.up.sql': '-- budget: 1 s\nCREATE TABLE slow (); SELECT pg_sleep(600);\n' });
  // 61 seconds would be the least to begin with; a clock that jumps is what makes it late.
  const end = Date.now() + 62_500;
  let asked = 0;
  const context = { getRemainingTimeInMillis: () => (asked++ === 0 ? 21_000 : end - Date.now()) } as Context;
  await handler(event('Update'), context);
  expect(answers.at(-1)).toMatchObject({ Status: 'FAILED', Reason: 'insufficient time; deploy again to continue' });
  await expect.poll(() => tablesOf(client), { timeout: 20_000 }).toEqual([]);
});

test('a file is not begun when its budget exceeds the time that is left; the next deployment goes on', async () => {
  const files = {
    '000001_quick.up.sql': '-- budget: 5 s\nCREATE TABLE quick ();\n',
    '000002_long.up.sql': '-- budget: 500 s\nCREATE TABLE long ();\n',
  };
  process.env['LAMBDA_TASK_ROOT'] = release(files);
  const answer = await answerTo(event('Update'), 100_000);
  expect([answer.Status, answer.Reason]).toEqual(['FAILED', 'insufficient time, 1 of 2 applied; deploy again to continue']);
  expect(await ledgerOf(client)).toEqual(['000001_quick.up.sql']);
});

test('an answer that does not arrive is tried again; when none arrives, the event fails, so that it is delivered again', async () => {
  refuse = 2;
  expect((await answerTo(event('Delete'))).Status).toBe('SUCCESS');
  refuse = 3;
  await expect(handler(event('Delete'), lambda())).rejects.toThrow('CloudFormation answered 503');
});

test('behind CDK’s framework the answer is what the function returns, and a failure is thrown', async () => {
  const framed = { ResponseURL: '...' };
  expect(await handler(event('Update', framed), lambda())).toMatchObject({
    PhysicalResourceId: 'schema:as-it-was',
    Data: { head: releaseFiles.at(-1) },
  });
  process.env['LAMBDA_TASK_ROOT'] = release({ '000001_bad.up.sql': 'SELECT;\nSELECT x;\n' });
  await expect(handler(event('Update', framed), lambda())).rejects.toThrow(/drift|not in this release/);
  expect(answers).toEqual([]);
});

test('status says what is applied, what is pending and whether somebody changed the schema by hand', async () => {
  const status = (): Promise<unknown> => handler({ action: 'status' }, lambda());
  expect(await status()).toMatchObject({ head: '', applied: [], drift: [], catalogUnchanged: null });
  const two = { '000001_a.up.sql': 'CREATE TABLE a (id integer);\n', '000002_b.up.sql': 'CREATE TABLE b (id integer);\n' };
  process.env['LAMBDA_TASK_ROOT'] = release(two);
  await handler({ action: 'dry-run' }, lambda());
  expect(await status()).toMatchObject({ applied: [], pending: Object.keys(two) });
  await answerTo(event('Update')).catch(() => undefined);
  expect(await status()).toMatchObject({ applied: Object.keys(two), pending: [], ahead: false, drift: [], catalogUnchanged: true });
  await client.query('CREATE INDEX by_hand ON a (id)');
  expect(await status()).toMatchObject({ catalogUnchanged: false });
});

test('dry-run applies everything that is pending and rolls it back; what would fail is named', async () => {
  expect(await handler({ action: 'dry-run' }, lambda())).toEqual({ wouldApply: releaseFiles, notTried: [] });
  expect((await client.query(`SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace`)).rows).toEqual([]);
  process.env['LAMBDA_TASK_ROOT'] = release({
    '000001_a.up.sql': 'CREATE TABLE a (id integer);\n',
    '000002_i.up.sql': 'CREATE INDEX CONCURRENTLY i ON a (id);\n',
    '000003_b.up.sql': 'ALTER TABLE a ADD COLUMN id text;\n',
  });
  await expect(handler({ action: 'dry-run' }, lambda())).rejects.toThrow(
    '000003_b.up.sql: 42701 column "id" of relation "a" already exists',
  );
});

test('apply brings the schema and nothing of a platform; the event then finds nothing left to apply, and makes the rest', async () => {
  const rights = async (): Promise<number> =>
    (await client.query(`SELECT FROM information_schema.role_table_grants WHERE grantee = 'certctl_runtime'`)).rows.length;
  const head = releaseFiles.at(-1);
  expect(await handler({ action: 'apply' }, lambda())).toEqual({
    applied: releaseFiles.length,
    total: releaseFiles.length,
    head,
    ahead: false,
  });
  expect(
    (await client.query('SELECT FROM certificate_authorities UNION ALL SELECT FROM profiles UNION ALL SELECT FROM audit_events')).rowCount,
  ).toBe(0);
  expect(await rights()).toBe(0);
  expect(await answerTo(event('Create'))).toMatchObject({
    Status: 'SUCCESS',
    Data: { applied: '0', total: String(releaseFiles.length), head },
  });
  expect((await client.query('SELECT FROM certificate_authorities')).rowCount).toBe(2);
  expect(await rights()).toBeGreaterThan(0);
});

test('repair corrects one hash, names who did, and refuses what is not exactly so', async () => {
  await answerTo(event('Update'));
  const [file] = releaseFiles;
  const { rows } = await client.query<{ sha256: string }>('SELECT sha256 FROM schema_migrations WHERE version = $1', [file]);
  const right = rows[0]!.sha256;
  const wrong = '0'.repeat(64);
  await client.query('UPDATE schema_migrations SET sha256 = $1 WHERE version = $2', [wrong, file]);
  const repair = (more: object): Promise<unknown> =>
    handler({ action: 'repair', file, oldHash: wrong, newHash: right, actor: 'ada', ...more }, lambda());
  await expect(repair({ oldHash: '1'.repeat(64) })).rejects.toThrow('another hash than oldHash');
  await expect(repair({ newHash: '1'.repeat(64) })).rejects.toThrow('another hash than newHash');
  await expect(repair({ actor: '' })).rejects.toThrow(/actor/);
  expect((await answerTo(event('Update'))).Status).toBe('FAILED');
  expect(await repair({})).toEqual({ repaired: file });
  expect((await answerTo(event('Update'))).Status).toBe('SUCCESS');
  const audit = await client.query(`SELECT actor, resource_id, details FROM audit_events WHERE action = 'schema_ledger_repaired'`);
  expect(audit.rows).toEqual([{ actor: 'ada', resource_id: file, details: { oldHash: wrong, newHash: right } }]);
});

test('an action that nobody knows is refused', async () => {
  await expect(handler({ action: 'drop-everything' }, lambda())).rejects.toThrow();
  await expect(handler('nonsense', lambda())).rejects.toThrow();
});

test('the role of the other functions reads the ledger and cannot change it', async () => {
  await answerTo(event('Update'));
  await client.query('SET ROLE certctl_runtime');
  expect((await client.query('SELECT FROM schema_migrations')).rowCount).toBe(releaseFiles.length);
  for (const statement of ['DELETE FROM schema_migrations', `UPDATE schema_fingerprints SET fingerprint = ''`, 'CREATE TABLE mine ()'])
    await expect(client.query(statement)).rejects.toThrow(/permission denied/);
  await client.query('RESET ROLE');
});
