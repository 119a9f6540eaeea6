import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { limitTable } from '#adapters/dynamodb/limit-table.ts';
import { rateBuckets } from '#adapters/dynamodb/rate-bucket.ts';
import { slotLeases } from '#adapters/dynamodb/slot-leases.ts';
import { rate } from '#domain/limit/gcra.ts';
import { limits } from '#domain/limit/limits.ts';
import { leaseSize, rateOf } from '#domain/limit/shape.ts';
import { admitted, count, patient, random, retryAfter, setClock, testLimiter, type SetClock } from './limiter.ts';
import { inDynalite, named, own, type TestTable } from './table.ts';

let table: TestTable;
let keys = 0;
const freshKey = (): string => `key-${keys++}`;

/** Buckets and slots as one process sees them. */
function oneProcess(clock: SetClock): { rates: ReturnType<typeof rateBuckets>; slots: ReturnType<typeof slotLeases> } {
  const limited = limitTable(table.client, table.name, clock, patient);
  return { rates: rateBuckets(limited, clock), slots: slotLeases(limited, clock, random) };
}

const tatOf = async (pk: string): Promise<number> => {
  const { Item } = await table.client.send(new GetItemCommand({ TableName: table.name, Key: { pk: { S: pk } }, ConsistentRead: true }));
  return Number(Item?.['tat']?.N);
};

describe.each([own, inDynalite, ...named])('on $name', (backend) => {
  beforeAll(async () => (table = await backend.open()));
  afterAll(() => table.stop());

  test('case 1, parallel cap by slots: of 200 callers 50 are admitted', { timeout: 60_000 }, async () => {
    const limiters = Array.from({ length: 4 }, () => testLimiter(table, { counts: { 'acme-new-account': 50 } }));
    const key = freshKey();
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, caller) => admitted(limiters[caller % 4]!.take('acme-new-account', key))),
    );
    expect(count(outcomes)).toBe(50);
  });

  test('case 1, more slots than an item holds: of 400 callers exactly the cap is never exceeded', { timeout: 60_000 }, async () => {
    const one = testLimiter(table, { counts: { 'acme-new-account': 150 } });
    const key = freshKey();
    const outcomes = await Promise.all(Array.from({ length: 400 }, () => admitted(one.take('acme-new-account', key))));
    expect(count(outcomes)).toBe(150);
  });

  test('case 2, parallel cap by rate: at one instant 500 callers get the burst of 100', { timeout: 60_000 }, async () => {
    const limiters = Array.from({ length: 4 }, () => testLimiter(table));
    const key = freshKey();
    const outcomes = await Promise.all(
      Array.from({ length: 500 }, (_, caller) => admitted(limiters[caller % 4]!.take('acme-new-order', key))),
    );
    expect(count(outcomes)).toBe(limits['acme-new-order'].count);
  });

  test('of 20 callers who ask at one instant, again and again after the bucket is idle once more, none is left without a decision', async () => {
    const clock = setClock();
    const limited = limitTable(table.client, table.name, clock, patient);
    const fast = rate(100_000, 3600);
    let asked = 0;
    let waiting: (() => void)[] = [];
    // All who ask together are answered together, and later than the bucket stays busy.
    const inRounds: typeof limited = {
      ...limited,
      async update(...update) {
        asked++;
        const outcome = await limited.update(...update);
        await new Promise<void>((resolve) => {
          waiting.push(resolve);
          if (waiting.length < asked) return;
          clock.advance((5 * fast.intervalUs) / 1_000_000);
          for (const release of waiting) release();
          [asked, waiting] = [0, []];
        });
        return outcome;
      },
    };
    const rates = rateBuckets(inRounds, clock);
    const pk = freshKey();
    const verdicts = await Promise.all(Array.from({ length: 20 }, () => rates(pk, fast, 1)));
    expect(verdicts.map((verdict) => verdict.admitted)).toEqual(verdicts.map(() => true));
    expect(await tatOf(pk)).toBeGreaterThanOrEqual(setClock().nowUs() + 20 * fast.intervalUs);
  });

  test('case 3, the window slides: three in any 24 hours', async () => {
    const hour = 3600;
    const start = 1_764_000_000;
    const clock = setClock(start);
    const { slots } = oneProcess(clock);
    const pk = freshKey();
    const at = async (seconds: number): Promise<boolean> => {
      clock.set(start + seconds);
      return (await slots.take(pk, { count: 3, windowUs: 24 * hour * 1_000_000 })).admitted;
    };
    expect([await at(0), await at(hour), await at(23 * hour)]).toEqual([true, true, true]);
    expect(await at(24 * hour - 60)).toBe(false);
    expect(await at(24 * hour)).toBe(false);
    expect(await at(24 * hour + 0.25)).toBe(true);
    expect(await at(24.5 * hour)).toBe(false);
  });

  test(
    'case 4, sustained bound: no minute has more than 1000 OCSP requests of an address, also with tokens taken in advance',
    {
      timeout: 120_000,
    },
    async () => {
      const clock = setClock();
      const ocsp = rateOf(limits['ocsp-address'], 1000);
      const processes = [oneProcess(clock), oneProcess(clock), oneProcess(clock)];
      const pk = freshKey();
      const most = leaseSize(limits['ocsp-address'], ocsp);
      expect(most).toBeGreaterThan(1);
      const times: number[] = [];
      const end = clock.nowUs() + 240_000_000;
      // Bursts far above the rate, and lulls in which the bucket recovers.
      while (clock.nowUs() < end) {
        const burst = random(300);
        for (let i = 0; i < burst; i++) {
          const { rates } = processes[random(3)]!;
          if (!(await rates(pk, ocsp, most)).admitted) break;
          times.push(clock.nowUs());
          clock.advance(random(8) / 100);
        }
        clock.advance(random(8));
      }
      expect(times.length).toBeGreaterThan(1000);
      let first = 0;
      for (const [last, time] of times.entries()) {
        while (time - times[first]! >= 60_000_000) first++;
        expect(last - first + 1).toBeLessThanOrEqual(1000);
      }
    },
  );

  test('case 5, an item that outlived its time is as good as none', async () => {
    const clock = setClock();
    const { rates } = oneProcess(clock);
    const [stale, missing] = [freshKey(), freshKey()];
    const long = String(clock.nowUs() - 86_400_000_000);
    await table.client.send(new PutItemCommand({ TableName: table.name, Item: { pk: { S: stale }, tat: { N: long }, exp: { N: '1' } } }));
    const limit = rate(5, 100);
    const outcomes = await Promise.all([stale, missing].map(async (pk) => [(await rates(pk, limit, 1)).admitted, await tatOf(pk)]));
    expect(outcomes[0]).toEqual(outcomes[1]);
  });

  test('case 6, two callers on an idle key are both admitted and both counted', async () => {
    for (let round = 0; round < 20; round++) {
      const clock = setClock();
      const limit = rate(5, 100);
      const pk = freshKey();
      const verdicts = await Promise.all([oneProcess(clock), oneProcess(clock)].map(({ rates }) => rates(pk, limit, 1)));
      expect(verdicts.map((verdict) => verdict.admitted)).toEqual([true, true]);
      expect(await tatOf(pk)).toBe(clock.nowUs() + 2 * limit.intervalUs);
    }
  });

  test('case 7, limiters do not share what the same address has left', async () => {
    const one = testLimiter(table, { counts: { 'acme-new-account': 3, 'acme-eab-failure': 3, 'api-failed-authentication': 3 } });
    const address = freshKey();
    for (let i = 0; i < 3; i++) await one.lease('acme-eab-failure', address);
    expect(await admitted(one.lease('acme-eab-failure', address))).toBe(false);
    expect(await admitted(one.lease('api-failed-authentication', address))).toBe(true);
    expect((await one.take('acme-new-account', address))?.remaining).toBe(2);
    expect(await admitted(one.take('ocsp-address', address))).toBe(true);
  });

  test('case 9, failed authentication: twenty guesses at once get ten comparisons, successes cost nothing', async () => {
    const one = testLimiter(table);
    const address = freshKey();
    for (let i = 0; i < 40; i++) await (await one.lease('api-failed-authentication', address)).release();
    const guesses = await Promise.all(Array.from({ length: 20 }, () => admitted(one.lease('api-failed-authentication', address))));
    expect(count(guesses)).toBe(10);
    expect(await admitted(one.lease('api-failed-authentication', address))).toBe(false);
  });

  test('case 9, a look takes nothing and is refused while a guess would be', async () => {
    const one = testLimiter(table, { counts: { 'api-failed-authentication': 2 } });
    const address = freshKey();
    for (let i = 0; i < 5; i++) await one.check('api-failed-authentication', address);
    for (let i = 0; i < 2; i++) await one.lease('api-failed-authentication', address);
    expect(await admitted(one.check('api-failed-authentication', address))).toBe(false);
  });

  test('case 9, more right callers at once than failures are allowed wait a moment instead of being refused', async () => {
    const one = testLimiter(table);
    const address = freshKey();
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const lease = await one.lease('api-failed-authentication', address);
        await lease.release();
        return true;
      }),
    );
    expect(count(outcomes)).toBe(20);
  });

  test('case 10, Retry-After is honest: then the next is admitted, a second earlier it is not', { timeout: 60_000 }, async () => {
    const property = fc.asyncProperty(
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 5000 }),
      fc.boolean(),
      async (n, wait, strict) => {
        const name = strict ? 'acme-new-account' : 'acme-new-order';
        const clock = setClock();
        const one = testLimiter(table, { clock, counts: { [name]: n } });
        const key = freshKey();
        for (let i = 0; i < n; i++) {
          expect(await admitted(one.take(name, key))).toBe(true);
          clock.advance(wait / 10_000);
        }
        const seconds = await retryAfter(one.take(name, key));
        if (seconds === undefined) return;
        clock.advance(seconds - 1);
        if (seconds > 1) expect(await admitted(one.take(name, key))).toBe(false);
        clock.advance(1);
        expect(await admitted(one.take(name, key))).toBe(true);
      },
    );
    await fc.assert(property, { numRuns: 20 });
  });
});
