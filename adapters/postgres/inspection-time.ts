import { nextDailyWindow } from '#domain/schedule/daily-window.ts';

const windowSeconds = (nextDailyWindow(0) / 1000) % 86_400;

/**
 * When a target is looked at next, as SQL over `targets`: at multiples of its interval, counted from the daily window. So all agents come at one time, and a
 * database that sleeps wakes once for them.
 */
export const nextInspection = `to_timestamp(${windowSeconds} + (floor((extract(epoch FROM now()) - ${windowSeconds}) / targets.inspect_every_seconds) + 1) * targets.inspect_every_seconds)`;
