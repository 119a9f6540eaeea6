import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { limitNames, limitOf, limits, type FailureLimit, type LimitName, type TakenLimit } from '#domain/limit/limits.ts';
import { rateOf, tenthOf } from '#domain/limit/shape.ts';
import { setClock, testLimiter, type TestLimiter } from './limiter.ts';

// As deployed.
const deadlines = { perTry: 75, inAll: 200, first: 1000 };
// 250 ms are allowed in all; how late this machine's own timers are is not the limiter's doing.
const beyondDeadlineMs = 2 * (250 - deadlines.inAll);

type Fault = (response: http.ServerResponse) => void;
const faults: Readonly<Record<string, Fault>> = {
  throttling: (response) =>
    response
      .writeHead(400, { 'content-type': 'application/x-amz-json-1.0' })
      .end(JSON.stringify({ __type: 'com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException', message: 'slower' })),
  silence: () => undefined,
  'a broken connection': (response) => response.destroy(),
  'an internal error': (response) => response.writeHead(500).end('{}'),
};

let server: http.Server;
let fault: Fault = () => undefined;
let endpoint: string;
const open = new Set<http.ServerResponse>();
beforeAll(async () => {
  server = http.createServer((request, response) => {
    open.add(response);
    request.resume().on('end', () => fault(response));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  for (const response of open) response.destroy();
  open.clear();
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

const stored = limitNames.filter((name) => !['open', 'counted'].includes(limitOf(name).kind));

function ask(one: TestLimiter, name: LimitName, key: string): Promise<unknown> {
  return limitOf(name).kind === 'failures' ? one.lease(name as FailureLimit, key) : one.take(name as TakenLimit, key);
}

async function outcomeOf(asking: Promise<unknown>): Promise<unknown> {
  try {
    await asking;
    return 'admitted';
  } catch (error) {
    const { code, retryAfter } = error as { code: string; retryAfter?: number };
    return { code, retryAfter };
  }
}

describe.each(Object.keys(faults))('case 11, the table answers with %s', (kind) => {
  test.concurrent.each(stored)('%s does as declared, in time, and says so', async (name) => {
    fault = faults[kind]!;
    const one = testLimiter({ endpoint, name: 'RateLimits' }, { deadlines });
    // The first decision may take longer: it connects.
    const first = await outcomeOf(ask(one, name, 'first'));
    const lateness: number[] = [];
    for (let i = 0; i < 3; i++) {
      const deadline = new Promise<number>((resolve) => setTimeout(() => resolve(performance.now()), deadlines.inAll));
      await outcomeOf(ask(one, name, 'later'));
      const decided = performance.now();
      lateness.push(decided - (await deadline));
    }
    const closed = limitOf(name).onError === 'closed';
    expect(first).toEqual(closed ? { code: 'unavailable', retryAfter: 30 } : 'admitted');
    expect(Math.min(...lateness)).toBeLessThanOrEqual(beyondDeadlineMs);
    expect(one.decisions[0]).toMatchObject({ limiter: name, outcome: closed ? 'failedClosed' : 'failedOpen' });
  });
});

test('while the table is silent a process admits a tenth by itself, and OCSP everything', async () => {
  fault = faults['throttling']!;
  const clock = setClock();
  const one = testLimiter({ endpoint, name: 'RateLimits' }, { deadlines, clock });
  const admittedOf = async (name: TakenLimit, callers: number): Promise<number> => {
    const outcomes = await Promise.all(Array.from({ length: callers }, () => outcomeOf(one.take(name, 'somebody'))));
    return outcomes.filter((outcome) => outcome === 'admitted').length;
  };
  const { burst } = tenthOf(rateOf(limits['api-address'], limits['api-address'].count));
  expect(burst).toBe(10);
  expect(await admittedOf('api-address', 30)).toBe(burst);
  clock.advance(1);
  expect(await admittedOf('api-address', 30)).toBe(5);
  expect(await admittedOf('ocsp-address', 30)).toBe(30);
});

test('a limiter that is off asks nobody, and one that is asked for nobody refuses', async () => {
  fault = faults['silence']!;
  const one = testLimiter({ endpoint, name: 'RateLimits' }, { deadlines, counts: { 'ocsp-address': 0 } });
  expect(await one.take('ocsp-address', 'somebody')).toBeUndefined();
  expect(await outcomeOf(one.take('acme-new-order', ''))).toMatchObject({ code: 'internal' });
});
