import fc from 'fast-check';
import { expect, test } from 'vitest';
import { classify, rate, tolerance } from './gcra.ts';

/** The bucket as two conditional writes would leave it. */
function take(
  limit: ReturnType<typeof rate>,
  tat: number | undefined,
  now: number,
): { tat: number | undefined; admitted: boolean; retryAfter: number } {
  const decision = classify(limit, tat, now);
  if (decision.branch === 'refuse') return { tat, admitted: false, retryAfter: decision.retryAfterSeconds };
  return { tat: (decision.branch === 'idle' ? now : tat!) + limit.intervalUs, admitted: true, retryAfter: 0 };
}

test('given a frozen clock, exactly the burst is admitted', () => {
  const limit = rate(100, 60);
  let tat: number | undefined;
  let admitted = 0;
  for (let i = 0; i < 500; i++) {
    const result = take(limit, tat, 1e15);
    tat = result.tat;
    admitted += Number(result.admitted);
  }
  expect(admitted).toBe(100);
});

test('given any arrivals, no window admits more than burst and rate allow', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 2_000_000 }), { minLength: 1, maxLength: 200 }), (gaps) => {
      const limit = { intervalUs: 1_000_000, burst: 5 };
      let [tat, now]: [number | undefined, number] = [undefined, 1e12];
      const times: number[] = [];
      for (const gap of gaps) {
        now += gap;
        const result = take(limit, tat, now);
        tat = result.tat;
        if (result.admitted) times.push(now);
      }
      for (const start of times) {
        const inWindow = times.filter((time) => time >= start && time < start + 10_000_000).length;
        expect(inWindow).toBeLessThanOrEqual(limit.burst + 10);
      }
    }),
  );
});

test('a refusal says honestly when to come back', () => {
  const limit = rate(10, 100);
  let tat: number | undefined;
  for (let i = 0; i < 10; i++) ({ tat } = take(limit, tat, 1e15));
  const refused = take(limit, tat, 1e15);
  expect(refused.admitted).toBe(false);
  expect(take(limit, tat, 1e15 + refused.retryAfter * 1e6).admitted).toBe(true);
  expect(take(limit, tat, 1e15 + (refused.retryAfter - 1) * 1e6).admitted).toBe(false);
  expect(tolerance(limit)).toBe(9 * limit.intervalUs);
});
