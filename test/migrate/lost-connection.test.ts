import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase, type Database } from '#adapters/postgres/database.ts';
import { until } from '../platform.ts';
import { startServer, type TestServer } from './server.ts';

let server: TestServer;
beforeAll(async () => void (server = await startServer()));
afterAll(() => server.stop());

const opened = (name: string): Database =>
  openDatabase({
    host: server.socketFolder,
    port: 5432,
    database: name,
    credentials: async () => ({ user: 'certctl_owner', password: undefined }),
    tls: false,
    connections: 1,
    connectTimeoutMs: 20_000,
    application: 'test',
  });

test('a connection that the server ends between two statements of a transaction is one failed transaction, and the process goes on', async () => {
  const name = await server.database();
  const other = await server.connect(name);
  const database = opened(name);
  const own = { name: 'own-process', text: 'SELECT pg_backend_pid() AS pid' };
  const failing = database.transaction(async (within) => {
    const [row] = await within.query<{ pid: number }>(own, []);
    await other.query('SELECT pg_terminate_backend($1, 10000)', [row!.pid]);
    // The server's last word has arrived once this process has looked at its sockets.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    await within.query(own, []);
  });
  await expect(failing).rejects.toMatchObject({ code: 'unavailable' });
  expect(await database.query(own, [])).toHaveLength(1);
  await database.close();
});

test('a statement that waits for another which waits for it is done after that one, and nobody hears of it', async () => {
  const name = await server.database();
  const other = await server.connect(name);
  const database = opened(name);
  await other.query('CREATE TABLE places (id integer PRIMARY KEY, visits integer NOT NULL)');
  await other.query('INSERT INTO places VALUES (1, 0), (2, 0)');
  // The other waits for as long as it takes: the one that is undone is ours.
  await other.query(`SET deadlock_timeout = '60s'`);
  await other.query('BEGIN');
  await other.query('UPDATE places SET visits = visits + 1 WHERE id = 2');
  const text = `WITH held AS (SELECT id FROM places ORDER BY id FOR UPDATE) UPDATE places SET visits = visits + 1 FROM held WHERE held.id = places.id RETURNING visits`;
  const ours = database.query<{ visits: number }>({ name: 'visit-all', text }, []);
  await until('ours waits for the other', async () => {
    const { rows } = await other.query(`SELECT FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()`);
    return rows.length > 0 ? true : undefined;
  });
  // Its turn comes with the end of ours.
  await other.query('UPDATE places SET visits = visits + 1 WHERE id = 1');
  await other.query('COMMIT');
  expect((await ours).map(({ visits }) => visits)).toEqual([2, 2]);
  await database.close();
});
