import { commonDimensions, loopSeries, namespace, series, type LoopSeries, type Series, type Unit } from '#domain/metric/series.ts';
import type { TickResult } from '#domain/schedule/tick.ts';

const full = process.env['CERTCTL_METRICS'] === 'full';

/**
 * One value in the embedded metric format: a log line that CloudWatch reads as a metric. The format is this line; a library for it is 40 kB in
 * each bundle that a stranger waits for.
 */
function emit(name: string, unit: Unit, value: number, dimensions: Readonly<Record<string, string>> = {}): void {
  const all = { ...commonDimensions, ...dimensions };
  const described = { Namespace: namespace, Dimensions: [Object.keys(all)], Metrics: [{ Name: name, Unit: unit }] };
  process.stdout.write(`${JSON.stringify({ _aws: { Timestamp: Date.now(), CloudWatchMetrics: [described] }, ...all, [name]: value })}\n`);
}

/** Adds to a counter. */
export function count(name: Series, value = 1): void {
  if (value !== 0) emit(name, series[name], value);
}

/** States a measured value, in the unit that the series' name says. */
export function measure(name: Series, value: number): void {
  emit(name, series[name], value);
}

/** What a tick came to: in the default setting only what failed or was lost, in `full` a set of series per loop. */
export function measureLoop(loop: string, result: TickResult, milliseconds: number): void {
  count('ItemsFailed', result.failed);
  if (result.outcome === 'lease_lost') count('LeaseLost');
  if (!full) return;
  ofLoop('TickStarted', loop, 1);
  if (result.outcome === 'succeeded' || result.outcome === 'idle') ofLoop('TickSucceeded', loop, 1);
  else if (result.outcome === 'failed') ofLoop('TickFailed', loop, 1);
  else ofLoop('TickSkipped', loop, 1, { reason: result.outcome });
  if (result.outcome === 'lease_lost') ofLoop('LeaseLostOfLoop', loop, 1);
  ofLoop('TickDurationMs', loop, milliseconds);
  ofLoop('ItemsProcessed', loop, result.processed);
  ofLoop('ItemsFailedOfLoop', loop, result.failed);
}

/** How many of its intervals ago each loop succeeded: the worst of them, and in `full` every one. */
export function measureAges(ages: readonly { readonly loop: string; readonly intervals: number }[]): void {
  measure('WorstLoopAge', Math.max(0, ...ages.map(({ intervals }) => intervals)));
  if (full) for (const { loop, intervals } of ages) ofLoop('LastSuccessAge', loop, intervals);
}

function ofLoop(name: LoopSeries, loop: string, value: number, more: Readonly<Record<string, string>> = {}): void {
  emit(name, loopSeries[name], value, { loop, ...more });
}
