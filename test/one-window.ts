import { nextDailyWindow } from '#domain/schedule/daily-window.ts';

/** The next 00:00 UTC after a time; both in milliseconds since the epoch. */
export const nextMidnight = (now: number): number => (Math.floor(now / 86_400_000) + 1) * 86_400_000;

/**
 * Does what the opening of the daily window would disturb: when it opened meanwhile, whatever came of it counts for nothing, and it is done again.
 *
 * @param work is told how often it was begun before
 * @param next when what disturbs comes next after a time; both in milliseconds since the epoch
 * @param clock milliseconds since the epoch
 */
export async function withinOneWindow<T>(
  work: (attempt: number) => Promise<T>,
  next: (now: number) => number = nextDailyWindow,
  clock: () => number = Date.now,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    const end = next(clock());
    const done = await work(attempt).then(
      (value) => () => value,
      (error: unknown) => () => {
        throw error;
      },
    );
    if (clock() < end) return done();
  }
}
