const dayMs = 86_400_000;
const windowStartsAtMs = 3 * 3_600_000;

/** The next 03:00 UTC after a time; both in milliseconds since the epoch. */
export function nextDailyWindow(now: number): number {
  return Math.floor((now - windowStartsAtMs) / dayMs) * dayMs + dayMs + windowStartsAtMs;
}

/** Whether a tick of a schedule is the first after 03:00 UTC. */
export function isDailyWindow(now: number, everyMinutes: number): boolean {
  return nextDailyWindow(now - everyMinutes * 60_000) <= now;
}
