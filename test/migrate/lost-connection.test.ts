import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase } from '#adapters/postgres/database.ts';
import { startServer, type TestServer } from './server.ts';

let server: TestServer;
beforeAll(async () => void (server = await startServer()));
afterAll(() => server.stop());

test('a connection that the server ends between two statements of a transaction is one failed transaction, and the process goes on', async () => {
  const name = await server.database();
  const other = await server.connect(name);
  const database = openDatabase({
    host: server.socketFolder,
    port: 5432,
    database: name,
    credentials: async () => ({ user: 'certctl_owner', password: undefined }),
    tls: false,
    connections: 1,
    connectTimeoutMs: 20_000,
    application: 'test',
  });
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
