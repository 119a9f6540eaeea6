import { expect, test } from 'vitest';
import type { Database, Statement } from './database.ts';
import { noticingAudit } from './notice-audit.ts';

const read: Statement = { name: 'read', text: 'SELECT 1' };
const write: Statement = { name: 'write', text: `WITH l AS (INSERT INTO audit_events (actor) VALUES ('x')) SELECT 1` };

/** What happens, in its order. */
function watched(commits = true, announced = false): { database: Database; log: string[] } {
  const log: string[] = [];
  const query = ({ name }: Statement): Promise<never[]> => {
    log.push(name);
    return Promise.resolve([]);
  };
  const plain: Database = {
    query,
    async transaction(work) {
      const result = await work({ query });
      if (!commits) throw new Error('rolled back');
      log.push('commit');
      return result;
    },
    wake: () => undefined,
    opened: () => 1,
    close: () => Promise.resolve(),
  };
  const coming = announced ? () => Promise.resolve(void log.push('coming')) : undefined;
  return { database: noticingAudit(plain, () => log.push('noticed'), coming), log };
}

test('an audit row is noticed after its statement, or after the commit of its transaction, once', async () => {
  const { database, log } = watched();
  await database.query(read, []);
  await database.query(write, []);
  await database.transaction(async (session) => {
    await session.query(write, []);
    await session.query(write, []);
    await session.query(read, []);
  });
  await database.transaction((session) => session.query(read, []));
  expect(log.join(' ')).toBe('read write noticed write write read commit noticed read commit');
});

test('what was rolled back is not noticed', async () => {
  const { database, log } = watched(false);
  await expect(database.transaction((session) => session.query(write, []))).rejects.toThrow('rolled back');
  expect(log).toEqual(['write']);
});

test('what may write an audit row is announced before it begins, and what only reads is not', async () => {
  const { database, log } = watched(true, true);
  await database.query(read, []);
  await database.query(write, []);
  await database.transaction((session) => session.query(write, []));
  expect(log.join(' ')).toBe('read coming write noticed coming write commit noticed');
});
