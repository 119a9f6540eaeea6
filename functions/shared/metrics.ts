import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
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

const full = process.env['CERTCTL_METRICS'] === 'full';
const metrics = new Metrics({ namespace: 'certctl', serviceName: 'certctl' });

/** Adds to a counter. */
export function count(series: Series, value = 1): void {
  if (value === 0) return;
  metrics.singleMetric().addMetric(series, MetricUnit.Count, value);
}

/** States a measured value, in the unit that the series' name says. */
export function measure(series: Series, value: number): void {
  metrics.singleMetric().addMetric(series, MetricUnit.NoUnit, value);
}

/** What a tick came to: in the default setting only failed items, in `full` a set of series per loop. */
export function measureLoop(loop: string, result: TickResult, milliseconds: number): void {
  count('ItemsFailed', result.failed);
  if (!full) return;
  const each = (name: string, unit: (typeof MetricUnit)[keyof typeof MetricUnit], value: number): void => {
    const single = metrics.singleMetric();
    single.addDimension('loop', loop);
    single.addMetric(name, unit, value);
  };
  each('TickStarted', MetricUnit.Count, 1);
  if (result.outcome === 'succeeded' || result.outcome === 'idle') each('TickSucceeded', MetricUnit.Count, 1);
  else if (result.outcome === 'failed') each('TickFailed', MetricUnit.Count, 1);
  else {
    const single = metrics.singleMetric();
    single.addDimensions({ loop, reason: result.outcome });
    single.addMetric('TickSkipped', MetricUnit.Count, 1);
  }
  each('TickDurationMs', MetricUnit.Milliseconds, milliseconds);
  each('ItemsProcessed', MetricUnit.Count, result.processed);
  each('ItemsFailed', MetricUnit.Count, result.failed);
}
