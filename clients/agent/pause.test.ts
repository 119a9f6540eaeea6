import fc from 'fast-check';
import { expect, test } from 'vitest';
import { backoffMs, pause, spread } from './pause.ts';

const dice = fc.double({ min: 0, max: 1, noNaN: true });

test('a period is spread by a tenth and no more', () => {
  fc.assert(
    fc.property(dice, (one) => {
      expect(spread(60, one)).toBeGreaterThanOrEqual(54_000);
      expect(spread(60, one)).toBeLessThanOrEqual(66_001);
    }),
  );
});

test('failures in a row keep an agent away for longer, for five minutes at most, and never less than it was told', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      dice,
      fc.option(fc.integer({ min: 0, max: 600 }), { nil: Number.NaN }),
      (failures, one, retryAfter) => {
        const wait = backoffMs(failures, retryAfter, one);
        expect(wait).toBeGreaterThanOrEqual(500);
        expect(wait).toBeLessThanOrEqual(600_000);
        if (Number.isFinite(retryAfter)) expect(wait).toBeGreaterThanOrEqual(Math.min(300, retryAfter) * 1000);
      },
    ),
  );
  expect(backoffMs(1, Number.NaN, 1)).toBe(2000);
  expect(backoffMs(30, Number.NaN, 1)).toBe(300_000);
});

test('a pause ends when it is told to', async () => {
  const stop = new AbortController();
  const waiting = pause(3_600_000, stop.signal);
  stop.abort();
  await waiting;
  await pause(3_600_000, stop.signal);
});
