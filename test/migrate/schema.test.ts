import { afterAll, beforeAll, expect, test } from 'vitest';
import { releaseFolder, startRunner, startServer, type TestServer } from './server.ts';

let server: TestServer;
beforeAll(async () => (server = await startServer()));
afterAll(() => server.stop());

test('no index is only the beginning of another of its table: every write would pay for both', async () => {
  const database = await server.database();
  const client = await server.connect(database);
  expect((await startRunner(server, database, releaseFolder).report)?.error).toBeUndefined();
  const covered = async (): Promise<unknown[]> => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT short.indexrelid::regclass::text AS name
       FROM pg_index short JOIN pg_index long ON short.indrelid = long.indrelid AND short.indexrelid <> long.indexrelid
       WHERE short.indrelid::regclass::text !~ '^(pg_|information_schema)' AND NOT short.indisunique AND short.indexprs IS NULL
         AND pg_get_expr(short.indpred, short.indrelid) IS NOT DISTINCT FROM pg_get_expr(long.indpred, long.indrelid)
         AND long.indkey::text LIKE short.indkey::text || ' %'
         AND long.indoption::text LIKE short.indoption::text || '%'
         AND long.indclass::text LIKE short.indclass::text || '%'`,
    );
    return rows.map(({ name }) => name);
  };
  expect(await covered()).toEqual([]);
  await client.query('CREATE INDEX too_short ON jobs (created_at)');
  expect(await covered()).toEqual(['too_short']);
});
