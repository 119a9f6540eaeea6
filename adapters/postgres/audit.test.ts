import { expect, test } from 'vitest';
import { auditTrail } from './audit.ts';
import type { Database } from './database.ts';

test('given many changes of one instance at once, they share a place in the queue for the chain: who came before a turn began is sealed by it', async () => {
  const turns: (() => void)[] = [];
  const database: Database = {
    query: () => Promise.resolve([]),
    // Nothing of what is sealed matters here.
    transaction: () => new Promise((resolve) => turns.push(() => resolve(undefined as never))),
    opened: () => 1,
    wake: () => undefined,
    close: () => Promise.resolve(),
  };
  const trail = auditTrail(database);
  const ended: string[] = [];
  const change = (name: string): Promise<void> => trail.sealNow().then(() => void ended.push(name));
  const first = change('first');
  await Promise.resolve();
  expect(turns).toHaveLength(1);
  // Their rows may not have been there when the first looked.
  const others = Promise.all([change('second'), change('third'), change('fourth')]);
  turns[0]?.();
  await first;
  await Promise.resolve();
  expect([ended, turns.length]).toEqual([['first'], 2]);
  turns[1]?.();
  await others;
  expect([ended, turns.length]).toEqual([['first', 'second', 'third', 'fourth'], 2]);
});

test('given a turn that failed, those who waited for it hear so, and the next one seals', async () => {
  let fails = true;
  const database: Database = {
    query: () => Promise.resolve([]),
    transaction: () => (fails ? Promise.reject(new Error('the head is another’s')) : Promise.resolve(undefined as never)),
    opened: () => 1,
    wake: () => undefined,
    close: () => Promise.resolve(),
  };
  const trail = auditTrail(database);
  const told = await Promise.allSettled([trail.sealNow(), trail.sealNow()]);
  expect(told.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  fails = false;
  await expect(trail.sealNow()).resolves.toBeUndefined();
});
