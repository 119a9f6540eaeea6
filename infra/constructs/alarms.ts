import { Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { commonDimensions, namespace, type LoopSeries, type Series } from '#domain/metric/series.ts';

type Comparison = 'above' | 'below' | 'atLeast';

/** When a person should look. */
interface AlarmRow {
  readonly series: Series;
  readonly is: Comparison;
  readonly threshold: number;
  readonly statistic: 'Maximum' | 'Minimum' | 'Sum';
  readonly minutes: number;
  /** What no measurement at all means. */
  readonly silence: 'fault' | 'fine';
  /** What happened and what to look at, for whoever gets the mail. */
  readonly meaning: string;
}

/**
 * Each is about a series that functions write. MigrationsPending has none: a deployment whose migration fails is rolled back, and says so to
 * whoever deploys.
 */
export const alarmRows: readonly AlarmRow[] = [
  {
    series: 'WorstLoopAge',
    is: 'atLeast',
    threshold: 3,
    statistic: 'Maximum',
    minutes: 15,
    silence: 'fault',
    meaning: 'A loop has not succeeded for three of its intervals, or the monitor is silent: GET /api/v1/admin/loops names it',
  },
  {
    series: 'OutboxAgeSeconds',
    is: 'above',
    threshold: 300,
    statistic: 'Maximum',
    minutes: 15,
    silence: 'fine',
    meaning: 'Notifications wait for more than five minutes: look at loop-outbox-dispatch and the worker',
  },
  {
    series: 'PendingJobAgeSeconds',
    is: 'above',
    threshold: 600,
    statistic: 'Maximum',
    minutes: 15,
    silence: 'fine',
    meaning: 'Jobs wait for more than ten minutes: look at the worker’s errors and concurrency',
  },
  {
    series: 'CrlValidityLeft',
    is: 'below',
    threshold: 0.25,
    statistic: 'Minimum',
    minutes: 60,
    silence: 'fine',
    meaning: 'A CRL has used three quarters of its life: look at loop-crl-generation before relying parties notice',
  },
  {
    series: 'AuditBreak',
    is: 'atLeast',
    threshold: 1,
    statistic: 'Sum',
    minutes: 60,
    silence: 'fine',
    meaning: 'The audit chain is broken: somebody changed or removed what was sealed, and the log of loop-audit-chain says where',
  },
  {
    series: 'LimiterFailOpen',
    is: 'atLeast',
    threshold: 1,
    statistic: 'Sum',
    minutes: 5,
    silence: 'fine',
    meaning: 'A rate limit admitted requests without counting them, because DynamoDB did not answer',
  },
  {
    series: 'LeaseLost',
    is: 'atLeast',
    threshold: 10,
    statistic: 'Sum',
    minutes: 60,
    silence: 'fine',
    meaning: 'Work outlives its lease and is done twice: look for time-outs',
  },
  {
    series: 'ItemsFailed',
    is: 'atLeast',
    threshold: 20,
    statistic: 'Sum',
    minutes: 60,
    silence: 'fine',
    meaning: 'Loops fail on many items: their log lines say on which',
  },
];

const operators: Readonly<Record<Comparison, cloudwatch.ComparisonOperator>> = {
  above: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
  below: cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
  atLeast: cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
};

/** A series as the functions write it. */
export function seriesMetric(name: Series, statistic: string): cloudwatch.Metric {
  return new cloudwatch.Metric({ namespace, metricName: name, statistic, dimensionsMap: commonDimensions });
}

/** A series of one loop as the functions write it under the setting `full`. */
export function loopMetric(name: LoopSeries, loop: string, statistic: string): cloudwatch.Metric {
  return new cloudwatch.Metric({ namespace, metricName: name, statistic, dimensionsMap: { ...commonDimensions, loop } });
}

/** The alarms of every deployment. */
export function standardAlarms(scope: Construct): readonly cloudwatch.Alarm[] {
  return alarmRows.map(
    (row) =>
      new cloudwatch.Alarm(scope, row.series, {
        alarmDescription: `certctl: ${row.meaning}`,
        metric: seriesMetric(row.series, row.statistic).with({ period: Duration.minutes(row.minutes) }),
        threshold: row.threshold,
        comparisonOperator: operators[row.is],
        evaluationPeriods: 1,
        treatMissingData: row.silence === 'fault' ? cloudwatch.TreatMissingData.BREACHING : cloudwatch.TreatMissingData.NOT_BREACHING,
      }),
  );
}
