import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { limitClock } from '#adapters/dynamodb/limit-clock.ts';
import { limitTable } from '#adapters/dynamodb/limit-table.ts';
import { slotLeases } from '#adapters/dynamodb/slot-leases.ts';
import { patient, random } from './limiter.ts';
import { ownTable, type TestTable } from './table.ts';

let table: TestTable;
beforeAll(async () => (table = await ownTable()));
afterAll(() => table.stop());

const cap = { count: 2, windowUs: 3_600_000_000 };

/** A process whose clock is wrong by so many milliseconds. */
function processWithClock(aheadMs: number): { slots: ReturnType<typeof slotLeases>; skews: number[]; nowUs: () => number } {
  const skews: number[] = [];
  const clock = limitClock(
    () => Date.now() + aheadMs,
    (ahead) => skews.push(ahead),
  );
  const limited = limitTable(table.client, table.name, clock, patient);
  return { slots: slotLeases(limited, clock, random), skews, nowUs: () => clock.nowUs() };
}

test.each([2 * 3_600_000, -2 * 3_600_000])('a clock that is wrong by %d ms is noticed, and the table’s time used', async (aheadMs) => {
  const wrong = processWithClock(aheadMs);
  const pk = `skew${aheadMs}`;
  // The first answer tells the time.
  await wrong.slots.take(`${pk}-first`, cap);
  expect(Math.abs(wrong.skews[0]! - aheadMs)).toBeLessThan(2000);
  expect(Math.abs(wrong.nowUs() / 1000 - Date.now())).toBeLessThan(2000);
  // From then on it holds slots as long as everybody else: no sooner free, hours too late neither.
  const taken = await wrong.slots.take(pk, cap);
  const { Item } = await table.client.send(new GetItemCommand({ TableName: table.name, Key: { pk: { S: `${pk}#0` } } }));
  const until = Number(Object.entries(Item ?? {}).find(([name]) => /^s\d/.test(name))?.[1].N) / 1000;
  expect(taken.admitted).toBe(true);
  expect(until).toBeGreaterThanOrEqual(Date.now() - 1000 + cap.windowUs / 1000);
  expect(until).toBeLessThan(Date.now() + cap.windowUs / 1000 + 3000);
});

test('a clock that is right, or wrong by no more than two seconds, is left alone', async () => {
  for (const aheadMs of [0, 900, -900]) {
    const fine = processWithClock(aheadMs);
    await fine.slots.take(`fine${aheadMs}`, cap);
    expect([aheadMs, fine.skews]).toEqual([aheadMs, []]);
  }
});

test('an answer without a date, or with nonsense for one, changes nothing', () => {
  const skews: number[] = [];
  const clock = limitClock(
    () => 1_764_000_000_000,
    (ahead) => skews.push(ahead),
  );
  for (const date of [undefined, 'yesterday']) clock.asking()(date);
  expect([clock.nowUs(), skews]).toEqual([1_764_000_000_000_000, []]);
});
