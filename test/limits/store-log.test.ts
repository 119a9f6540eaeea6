import { DynamoDBClient, GetItemCommand, PutItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openTables } from '#infra/local/cloud/dynamodb/store.ts';
import { ownTable } from './table.ts';

const folder = mkdtempSync(join(tmpdir(), 'certctl-store-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('what was answered is there after a restart', async () => {
  const file = join(folder, 'restart.log');
  const first = await ownTable(file);
  await first.client.send(new PutItemCommand({ TableName: first.name, Item: { pk: { S: 'kept' }, n: { N: '1' } } }));
  const add = { UpdateExpression: 'SET n = n + :one', ExpressionAttributeValues: { ':one': { N: '1' } } };
  await first.client.send(new UpdateItemCommand({ TableName: first.name, Key: { pk: { S: 'kept' } }, ...add }));
  await first.stop();
  const second = await ownTable(file);
  const { Item } = await second.client.send(new GetItemCommand({ TableName: second.name, Key: { pk: { S: 'kept' } } }));
  expect(Item).toEqual({ pk: { S: 'kept' }, n: { N: '2' } });
  await second.stop();
});

test('a process killed while it writes loses nothing that it had answered', { timeout: 60_000 }, async () => {
  const file = join(folder, 'killed.log');
  const child = fork(join(import.meta.dirname, 'store-process.ts'), [file], { execArgv: [] });
  const endpoint = await new Promise<string>((resolve) => child.once('message', (message) => resolve(message as string)));
  const client = new DynamoDBClient({ endpoint, maxAttempts: 1 });
  const answered: string[] = [];
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const writer = async (name: number): Promise<void> => {
    for (let i = 0; ; i++) {
      const pk = `${name}-${i}`;
      await client.send(new PutItemCommand({ TableName: 'RateLimits', Item: { pk: { S: pk } } }));
      answered.push(pk);
      if (answered.length === 500) child.kill('SIGKILL');
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, name) => writer(name).catch(() => undefined)));
  await gone;
  client.destroy();
  const tables = openTables([{ name: 'RateLimits', ttl: 'exp' }], file);
  expect(answered.filter((pk) => tables.get('RateLimits', pk) === undefined)).toEqual([]);
  expect(answered.length).toBeGreaterThanOrEqual(500);
  tables.close();
});

test('a line that a crash cut off is dropped, and what follows the restart is not lost with it', async () => {
  const file = join(folder, 'torn.log');
  const specs = [{ name: 'T', ttl: undefined }];
  writeFileSync(file, '["T","whole",{"pk":{"S":"whole"}}]\n["T","torn",{"pk":{"S":"to');
  const first = openTables(specs, file);
  first.put('T', 'later', '{"pk":{"S":"later"}}');
  await first.written();
  first.close();
  const second = openTables(specs, file);
  expect(['whole', 'torn', 'later'].map((pk) => second.get('T', pk) !== undefined)).toEqual([true, false, true]);
  second.close();
});

test('a log that is mostly history is rewritten, also while it is in use', { timeout: 60_000 }, async () => {
  const file = join(folder, 'history.log');
  const specs = [{ name: 'T', ttl: undefined }];
  const tables = openTables(specs, file);
  const filler = 'x'.repeat(100_000);
  for (let i = 0; i < 400; i++) {
    tables.put('T', 'same', JSON.stringify({ pk: { S: 'same' }, filler: { S: filler }, n: { N: String(i) } }));
    await tables.written();
  }
  expect(statSync(file).size).toBeLessThan(32 * 1024 * 1024);
  tables.put('T', 'after', '{"pk":{"S":"after"}}');
  await tables.written();
  tables.close();
  expect(readFileSync(file, 'utf8').trimEnd().split('\n').at(-1)).toContain('"after"');
  const again = openTables(specs, file);
  expect([again.get('T', 'same')?.['n'], again.get('T', 'after')]).toEqual([{ N: '399' }, { pk: { S: 'after' } }]);
  again.close();
});

test('an expired item is forgotten, also after a restart', async () => {
  const file = join(folder, 'expired.log');
  const specs = [{ name: 'T', ttl: 'exp' }];
  const tables = openTables(specs, file);
  tables.put('T', 'old', '{"pk":{"S":"old"},"exp":{"N":"1000"}}');
  tables.put('T', 'new', '{"pk":{"S":"new"},"exp":{"N":"3000"}}');
  tables.expire(2000);
  expect([tables.get('T', 'old'), tables.get('T', 'new') !== undefined]).toEqual([undefined, true]);
  tables.close();
  const again = openTables(specs, file);
  again.expire(2000);
  expect(again.get('T', 'old')).toBeUndefined();
  again.close();
});
