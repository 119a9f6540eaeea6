import { randomUUID } from 'node:crypto';
import type { PlannedSchedule } from './plan.ts';

export interface Scheduler {
  /** Runs a schedule's function by hand, due or not. */
  start(schedule: PlannedSchedule): Promise<void>;
  stop(): void;
}

/**
 * Ticks each schedule at the full multiples of its interval. A function with a reserved concurrency that is used up is not called: the
 * tick is throttled, as on AWS, and the next one does its work.
 */
export function startScheduler(
  schedules: readonly PlannedSchedule[],
  options: {
    readonly reserved: (functionName: string) => number | undefined;
    readonly invoke: (functionName: string, payload: string) => Promise<unknown>;
    readonly failed: (functionName: string, error: unknown) => void;
  },
): Scheduler {
  const running = new Map<string, number>();
  const timers = new Map<PlannedSchedule, NodeJS.Timeout>();
  let stopped = false;

  const invoke = async (functionName: string, payload: string): Promise<void> => {
    const now = running.get(functionName) ?? 0;
    if (now >= (options.reserved(functionName) ?? Number.POSITIVE_INFINITY)) return;
    running.set(functionName, now + 1);
    try {
      await options.invoke(functionName, payload);
    } catch (error) {
      options.failed(functionName, error);
    } finally {
      running.set(functionName, (running.get(functionName) ?? 1) - 1);
    }
  };

  const plan = (schedule: PlannedSchedule): void => {
    if (stopped) return;
    const next = (Math.floor(Date.now() / schedule.everyMs) + 1) * schedule.everyMs;
    timers.set(
      schedule,
      setTimeout(() => {
        const scheduled = new Date(next).toISOString().replace(/\.\d+Z$/, 'Z');
        void invoke(schedule.functionName, schedule.input.replaceAll('<aws.scheduler.scheduled-time>', scheduled));
        plan(schedule);
      }, next - Date.now()),
    );
  };
  for (const schedule of schedules) plan(schedule);

  return {
    start: (schedule) => {
      const input = JSON.parse(schedule.input) as Record<string, unknown>;
      delete input['scheduledTime'];
      return invoke(schedule.functionName, JSON.stringify({ ...input, run: `start-${randomUUID()}` }));
    },
    stop() {
      stopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
    },
  };
}
