import { describe, expect, test } from 'vitest';
import { nextMidnight, withinOneWindow } from './one-window.ts';

describe.each([
  ['the daily window', '2027-01-01T02:59:59.990Z', undefined],
  ['midnight', '2027-01-01T23:59:59.990Z', nextMidnight],
])('what %s would disturb', (_, begins, next) => {
  /** A clock that goes on by 4 ms whenever it is read. */
  const clockAt = (begin: number): (() => number) => {
    let now = begin - 4;
    return () => (now += 4);
  };
  const pass = (clock: () => number, milliseconds: number): void => {
    const end = clock() + milliseconds;
    while (clock() < end);
  };

  test('is done once when it comes before or after, and fails as it failed', async () => {
    const before = clockAt(Date.parse(begins) - 3_600_000);
    expect(await withinOneWindow((attempt) => Promise.resolve(attempt), next, before)).toBe(0);
    const after = clockAt(Date.parse(begins) + 10);
    await expect(withinOneWindow(() => Promise.reject(new Error('broken')), next, after)).rejects.toThrow('broken');
  });

  test('is done again when it comes meanwhile, whatever came of it', async () => {
    for (const outcome of [() => Promise.resolve('seen before'), () => Promise.reject(new Error('disturbed'))]) {
      const clock = clockAt(Date.parse(begins));
      const work = (attempt: number): Promise<string> => {
        pass(clock, 20);
        return attempt === 0 ? outcome() : Promise.resolve('undisturbed');
      };
      expect(await withinOneWindow(work, next, clock)).toBe('undisturbed');
    }
  });
});
