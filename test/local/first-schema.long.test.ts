import { readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { synthesize } from '#infra/local/assembly.ts';
import { ownerRole, type Schema } from '#infra/local/data-folder.ts';
import { firstSchema } from '#infra/local/first-schema.ts';
import { startPostgres } from '#infra/local/postgres.ts';
import { newHome } from '../new-home.ts';
import { root } from '../platform.ts';

const folders: string[] = [];
function newFolder(): string {
  const folder = newHome();
  folders.push(join(folder, '..'));
  return folder;
}

const migrations = readdirSync(join(root, 'migrations')).sort();
let schema: Schema;
let applied = 0;

beforeAll(async () => {
  const first = firstSchema(await synthesize(root), { AWS_REGION: 'us-east-1', POWERTOOLS_LOG_LEVEL: 'ERROR' }, () => undefined);
  schema = {
    key: first.key,
    apply: (socketFolder) => {
      applied++;
      return first.apply(socketFolder);
    },
  };
});
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

interface Beginning {
  readonly ledger: readonly string[];
  /** Tables that have rows. */
  readonly filled: readonly string[];
  readonly roles: readonly string[];
}

/** What the database of a new home has before any function was called. */
async function newDatabase(keptIn: string, wanted: Schema = schema): Promise<Beginning> {
  const data = join(newFolder(), 'postgres');
  const postgres = await startPostgres(data, data, () => undefined, { schema: () => Promise.resolve(wanted), keptIn });
  const client = new pg.Client({ host: postgres.socketFolder, user: ownerRole, database: 'certctl' });
  try {
    await client.connect();
    const names = async (query: string): Promise<string[]> => (await client.query<{ name: string }>(query)).rows.map(({ name }) => name);
    const tables = await names(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1`,
    );
    const filled: string[] = [];
    for (const table of tables) if ((await client.query(`SELECT FROM ${table} LIMIT 1`)).rows.length > 0) filled.push(table);
    return {
      ledger: tables.includes('schema_migrations') ? await names('SELECT version AS name FROM schema_migrations ORDER BY 1') : [],
      filled,
      roles: await names(`SELECT rolname AS name FROM pg_roles WHERE rolname !~ '^pg_'`),
    };
  } finally {
    await client.end();
    await postgres.stop();
  }
}

const keptSchemas = (keptIn: string): string[] => readdirSync(keptIn).filter((name) => name.startsWith('schema-'));

test('a database that was kept has every migration, and no row but those that the migrations write: no key, no token, no role', async () => {
  const keptIn = newFolder();
  const before = applied;
  const first = await newDatabase(keptIn);
  const copied = await newDatabase(keptIn);
  expect(applied - before).toBe(1);
  expect(copied).toEqual({
    ledger: migrations,
    filled: ['audit_head', 'issuers', 'renewal_policies', 'schema_fingerprints', 'schema_migrations'],
    roles: [ownerRole],
  });
  expect(first).toEqual(copied);
});

test('given a kept database that is damaged, and another of another key, two starts at once both make their own', async () => {
  const keptIn = newFolder();
  const nothing = (key: string): Schema => ({ key, apply: () => Promise.resolve(true) });
  expect((await newDatabase(keptIn, nothing(schema.key))).ledger).toEqual([]);
  for (const name of keptSchemas(keptIn)) truncateSync(join(keptIn, name), statSync(join(keptIn, name)).size - 100_000);
  await newDatabase(keptIn, nothing('of another release'));
  const before = applied;
  const both = await Promise.all([newDatabase(keptIn), newDatabase(keptIn)]);
  expect(applied - before).toBe(2);
  expect((await newDatabase(keptIn)).ledger).toEqual(migrations);
  expect(applied - before).toBe(2);
  expect(both.map(({ ledger }) => ledger)).toEqual([migrations, migrations]);
});

test('given a schema that cannot be applied beforehand, the database is empty, and nothing is kept', async () => {
  const keptIn = newFolder();
  const failing = { key: schema.key, apply: () => Promise.reject(new Error('no')) };
  expect((await newDatabase(keptIn, failing)).ledger).toEqual([]);
  expect(keptSchemas(keptIn)).toEqual([]);
});
