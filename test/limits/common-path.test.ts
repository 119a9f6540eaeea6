import type { UpdateItemCommandInput } from '@aws-sdk/client-dynamodb';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { admitted, count, setClock, testLimiter } from './limiter.ts';
import { ownTable, type TestTable } from './table.ts';

/** Stands before a table and counts what goes through. */
let table: TestTable;
let counter: http.Server;
let calls: { operation: string; input: UpdateItemCommandInput }[] = [];
let place: { endpoint: string; name: string };
const agent = new http.Agent({ keepAlive: true });

beforeAll(async () => {
  table = await ownTable();
  counter = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const operation = String(request.headers['x-amz-target']).split('.')[1] ?? '';
      calls.push({ operation, input: JSON.parse(body.toString()) as UpdateItemCommandInput });
      const onward = http.request(table.endpoint, { method: 'POST', headers: request.headers, agent }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      onward.end(body);
    });
  });
  await new Promise<void>((resolve) => counter.listen(0, '127.0.0.1', resolve));
  place = { endpoint: `http://127.0.0.1:${(counter.address() as AddressInfo).port}`, name: table.name };
  // Each limiter sets it, too; here it is also put back, for the next file of the worker.
  vi.stubEnv('AWS_ENDPOINT_URL', place.endpoint);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  counter.close();
  counter.closeAllConnections();
  agent.destroy();
  await table.stop();
});

test('a decision of a rate costs one conditional write, idle or busy', async () => {
  const clock = setClock();
  const one = testLimiter(place, { clock });
  for (const seconds of [0, 0, 1, 4000, 0]) {
    clock.advance(seconds);
    calls = [];
    await one.take('acme-new-order', 'account');
    expect([seconds, calls.map((call) => call.operation)]).toEqual([seconds, ['UpdateItem']]);
    expect(calls[0]!.input.ConditionExpression).toContain('tat');
  }
});

test('a full bucket costs one write, and then for a second nothing', async () => {
  const one = testLimiter(place, { counts: { 'acme-new-order': 2 } });
  for (let i = 0; i < 2; i++) await one.take('acme-new-order', 'full');
  calls = [];
  const outcomes = [];
  for (let i = 0; i < 5; i++) outcomes.push(await admitted(one.take('acme-new-order', 'full')));
  expect([count(outcomes), calls.length]).toEqual([0, 1]);
});

test('whoever is known not to guess costs one read a second, and a guess of the same process is seen at once', async () => {
  const clock = setClock();
  const one = testLimiter(place, { clock, counts: { 'api-failed-authentication': 1 } });
  calls = [];
  for (const seconds of [0, 0.4, 0.4, 0.4]) {
    clock.advance(seconds);
    await one.check('api-failed-authentication', 'busy');
  }
  expect(calls.map((call) => call.operation)).toEqual(['GetItem', 'GetItem']);
  await one.lease('api-failed-authentication', 'busy');
  expect(await admitted(one.check('api-failed-authentication', 'busy'))).toBe(false);
});

test('a strict cap costs one write while there is room', async () => {
  const one = testLimiter(place, { counts: { 'acme-new-account': 64 } });
  calls = [];
  await one.take('acme-new-account', 'address');
  expect(calls.map((call) => call.operation)).toEqual(['UpdateItem']);
});

test('tokens taken in advance: of 1000 requests in a second few write, and what a process holds ends after a second', async () => {
  const clock = setClock();
  const one = testLimiter(place, { clock });
  calls = [];
  for (let i = 0; i < 1000; i++) {
    clock.advance(0.001);
    await one.take('acme-address', 'busy');
  }
  expect(calls.length).toBeLessThan(25);
  calls = [];
  clock.advance(1.1);
  await one.take('acme-address', 'busy');
  expect(calls).toHaveLength(1);
});

test('no write has a value that was read: every value is the clock’s or the limit’s', async () => {
  const clock = setClock();
  const others = Array.from({ length: 3 }, () => testLimiter(place, { clock }));
  calls = [];
  for (let i = 0; i < 30; i++) {
    await others[i % 3]!.take('acme-new-order', 'shared');
    clock.advance(i % 7);
  }
  const start = setClock().nowUs();
  for (const { input } of calls) {
    const { ':now': now, ':next': next, ':charge': charge, ':reach': reach } = input.ExpressionAttributeValues ?? {};
    const at = Number(now?.N);
    expect(at).toBeGreaterThanOrEqual(start);
    if (next !== undefined) expect(Number(next.N) - at).toBe(36_000_000);
    else expect([Number(charge?.N), Number(reach?.N) - at]).toEqual([36_000_000, 99 * 36_000_000]);
  }
});

test('neither an address nor an account is in any key', async () => {
  const one = testLimiter(place);
  calls = [];
  await one.take('acme-new-account', '192.0.2.77');
  await one.take('acme-new-order', 'acct-secret');
  for (const { input } of calls) expect(JSON.stringify(input.Key)).toMatch(/"v1#default#acme-new-(?:account|order)#[0-9a-f]{32}#0"/);
});
