import { RemovalPolicy } from 'aws-cdk-lib';
import * as logs from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Config } from '../config.ts';

const retention: Readonly<Record<Config['logRetentionDays'], logs.RetentionDays>> = {
  7: logs.RetentionDays.ONE_WEEK,
  14: logs.RetentionDays.TWO_WEEKS,
  30: logs.RetentionDays.ONE_MONTH,
  90: logs.RetentionDays.THREE_MONTHS,
  180: logs.RetentionDays.SIX_MONTHS,
  365: logs.RetentionDays.ONE_YEAR,
};

/** A log group that forgets as configured, and goes with its stack. */
export function logGroup(scope: Construct, id: string, config: Config): logs.LogGroup {
  return new logs.LogGroup(scope, id, { retention: retention[config.logRetentionDays], removalPolicy: RemovalPolicy.DESTROY });
}
