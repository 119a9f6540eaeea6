import type { TickResult } from '#domain/schedule/tick.ts';

/** The series of the default setting, one each and without a dimension that multiplies them: each costs money every month. */
export type Series =
  | 'WorstLoopAge'
  | 'OutboxAgeSeconds'
  | 'PendingJobAgeSeconds'
  | 'CrlValidityLeft'
  | 'LeaseLost'
  | 'ItemsFailed'
  | 'LimiterFailOpen'
  | 'AuditBreak'
  | 'MigrationsPending';

type Unit = 'Count' | 'None' | 'Milliseconds';

const full = process.env['CERTCTL_METRICS'] === 'full';

/**
 * One value in the embedded metric format: a log line that CloudWatch reads as a metric. The format is this line; a library for it is 40 kB in
 * each bundle that a stranger waits for.
 */
function emit(name: string, unit: Unit, value: number, dimensions: Readonly<Record<string, string>> = {}): void {
  const all = { service: 'certctl', ...dimensions };
  const described = { Namespace: 'certctl', Dimensions: [Object.keys(all)], Metrics: [{ Name: name, Unit: unit }] };
  process.stdout.write(`${JSON.stringify({ _aws: { Timestamp: Date.now(), CloudWatchMetrics: [described] }, ...all, [name]: value })}\n`);
}

/** Adds to a counter. */
export function count(series: Series, value = 1): void {
  if (value !== 0) emit(series, 'Count', value);
}

/** States a measured value, in the unit that the series' name says. */
export function measure(series: Series, value: number): void {
  emit(series, 'None', value);
}

/** What a tick came to: in the default setting only failed items, in `full` a set of series per loop. */
export function measureLoop(loop: string, result: TickResult, milliseconds: number): void {
  count('ItemsFailed', result.failed);
  if (!full) return;
  emit('TickStarted', 'Count', 1, { loop });
  if (result.outcome === 'succeeded' || result.outcome === 'idle') emit('TickSucceeded', 'Count', 1, { loop });
  else if (result.outcome === 'failed') emit('TickFailed', 'Count', 1, { loop });
  else emit('TickSkipped', 'Count', 1, { loop, reason: result.outcome });
  emit('TickDurationMs', 'Milliseconds', milliseconds, { loop });
  emit('ItemsProcessed', 'Count', result.processed, { loop });
  emit('ItemsFailedOfLoop', 'Count', result.failed, { loop });
}
