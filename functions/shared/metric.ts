import { log } from './log.ts';

/**
 * Counts something for CloudWatch by a line in the embedded metric format, which needs no call. One series per name: what else there is to
 * know are fields of the line.
 */
export function count(name: string, facts: Readonly<Record<string, string | number>> = {}): void {
  log.info(name, {
    ...facts,
    [name]: 1,
    _aws: {
      Timestamp: Date.now(),
      CloudWatchMetrics: [{ Namespace: 'certctl', Dimensions: [[]], Metrics: [{ Name: name, Unit: 'Count' }] }],
    },
  });
}
