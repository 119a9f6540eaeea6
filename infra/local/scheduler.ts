import type { PlannedSchedule } from './plan.ts';

export interface Scheduler {
  /** Ticks a schedule now; the answer is the function's. */
  tick(schedule: PlannedSchedule): Promise<void>;
  stop(): void;
}

/**
 * Ticks each schedule at its rate. A function with a reserved concurrency that is used up is not called: the tick is throttled, as
 * on AWS, and the next one does its work.
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
  const tick = async (schedule: PlannedSchedule): Promise<void> => {
    const now = running.get(schedule.functionName) ?? 0;
    if (now >= (options.reserved(schedule.functionName) ?? Number.POSITIVE_INFINITY)) return;
    running.set(schedule.functionName, now + 1);
    const scheduled = new Date(Math.floor(Date.now() / schedule.everyMs) * schedule.everyMs).toISOString().replace(/\.\d+Z$/, 'Z');
    try {
      await options.invoke(schedule.functionName, schedule.input.replaceAll('<aws.scheduler.scheduled-time>', scheduled));
    } catch (error) {
      options.failed(schedule.functionName, error);
    } finally {
      running.set(schedule.functionName, (running.get(schedule.functionName) ?? 1) - 1);
    }
  };
  const timers = schedules.map((schedule) => setInterval(() => void tick(schedule), schedule.everyMs));
  return {
    tick,
    stop() {
      for (const timer of timers) clearInterval(timer);
    },
  };
}
