import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { loopSeries, namespace, series, type Series } from '#domain/metric/series.ts';
import { scheduledLoops } from '#domain/schedule/loops.ts';
import type { TickOutcome } from '#domain/schedule/tick.ts';
import { alarmRows } from '#infra/constructs/alarms.ts';
import { functionSpecs } from '#infra/functions.ts';
import { root } from '../platform.ts';
import { synthesize, type Synthesized } from './synthesize.ts';

vi.setConfig({ testTimeout: 120_000 });
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  vi.resetModules();
});

/** A series as CloudWatch tells it from others. */
const identity = (ns: string, name: string, dimensions: Readonly<Record<string, unknown>>): string =>
  JSON.stringify([ns, name, Object.entries(dimensions).sort(([a], [b]) => a.localeCompare(b))]);

const outcomes: readonly TickOutcome[] = ['succeeded', 'idle', 'failed', 'lease_lost', 'duplicate_tick', 'disabled'];

/** What the functions' own code writes when everything that it can measure happens, in the embedded metric format. */
async function emitted(setting: 'minimal' | 'full'): Promise<ReadonlySet<string>> {
  vi.stubEnv('CERTCTL_METRICS', setting);
  vi.resetModules();
  const { count, measure, measureAges, measureLoop } = await import('#functions/shared/metrics.ts');
  const lines: string[] = [];
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((line) => lines.push(String(line)) > 0);
  for (const [name, unit] of Object.entries(series)) (unit === 'Count' ? count : measure)(name as Series, 1);
  for (const { name } of scheduledLoops) for (const outcome of outcomes) measureLoop(name, { outcome, processed: 1, failed: 1 }, 5);
  measureAges(scheduledLoops.filter(({ name }) => name !== 'monitor').map(({ name }) => ({ loop: name, intervals: 1 })));
  write.mockRestore();
  return new Set(
    lines.flatMap((line) => {
      const record = JSON.parse(line) as Record<string, unknown> & {
        _aws: { CloudWatchMetrics: { Namespace: string; Dimensions: string[][]; Metrics: { Name: string }[] }[] };
      };
      return record._aws.CloudWatchMetrics.flatMap(({ Namespace, Dimensions, Metrics }) =>
        Metrics.flatMap(({ Name }) => {
          expect([Name, typeof record[Name]]).toEqual([Name, 'number']);
          return Dimensions.map((names) => identity(Namespace, Name, Object.fromEntries(names.map((name) => [name, record[name]]))));
        }),
      );
    }),
  );
}

interface Alarm {
  readonly Namespace: string;
  readonly MetricName: string;
  readonly Dimensions: { Name: string; Value: unknown }[];
  readonly TreatMissingData: string;
  readonly AlarmDescription: string;
}
const alarmsOf = ({ ofType }: Synthesized): readonly Alarm[] =>
  ofType('AWS::CloudWatch::Alarm').map(({ Properties }) => Properties as unknown as Alarm);
const identityOf = (alarm: Alarm): string =>
  identity(alarm.Namespace, alarm.MetricName, Object.fromEntries(alarm.Dimensions.map(({ Name, Value }) => [Name, Value])));

describe.each(['minimal', 'full'] as const)('given the setting %s', (metrics) => {
  test('when functions measure all that they can, each alarm about a series of ours finds it under its name and dimensions', async () => {
    const written = await emitted(metrics);
    const ours = alarmsOf(await synthesize({ metrics })).filter((alarm) => alarm.Namespace === namespace);
    expect(ours.length).toBeGreaterThan(5);
    for (const alarm of ours) expect([alarm.AlarmDescription, written.has(identityOf(alarm))]).toEqual([alarm.AlarmDescription, true]);
  });

  test('each other alarm is about a queue or a function of the templates', async () => {
    const made = await synthesize({ metrics });
    const exported = JSON.stringify(made.templates.services.toJSON()['Outputs']);
    const ids = Object.keys(made.resources);
    for (const alarm of alarmsOf(made).filter(({ Namespace }) => Namespace !== namespace)) {
      expect(['AWS/SQS', 'AWS/Lambda']).toContain(alarm.Namespace);
      const [dimension, ...others] = alarm.Dimensions;
      expect(others).toEqual([]);
      expect(dimension?.Name).toBe(alarm.Namespace === 'AWS/SQS' ? 'QueueName' : 'FunctionName');
      const name = (dimension?.Value as { 'Fn::ImportValue': string })['Fn::ImportValue'];
      const id = /ExportsOutput(?:Ref|FnGetAtt)([A-Za-z0-9]+?)(?:QueueName)?[0-9A-F]{8}$/.exec(name)?.[1] ?? '';
      expect([name, exported.includes(name), ids.includes(id)]).toEqual([name, true, true]);
    }
  });
});

test('minimal is at most ten series and ten alarms; full has the series of a loop for every loop', async () => {
  expect((await emitted('minimal')).size).toBe(Object.keys(series).length);
  expect(Object.keys(series).length).toBeLessThanOrEqual(10);
  const minimal = alarmsOf(await synthesize({}));
  expect(minimal.length).toBeLessThanOrEqual(10);
  const full = await emitted('full');
  for (const { name } of scheduledLoops.filter((loop) => loop.name !== 'monitor'))
    for (const one of Object.keys(loopSeries)) {
      const some = [...full].some((id) => id.includes(`"${one}"`) && id.includes(`["loop","${name}"]`));
      expect([name, one, some]).toEqual([name, one, true]);
    }
});

test('every series is written somewhere, and watched by an alarm but for pending migrations, which fail their deployment', () => {
  const files = readdirSync(join(root, 'functions'), { recursive: true, encoding: 'utf8' });
  const text = files
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(root, 'functions', file), 'utf8'))
    .join('\n');
  const written = new Set([...text.matchAll(/\b(?:count|measure)\('(\w+)'/g)].map((match) => match[1]));
  expect([...written].sort()).toEqual(Object.keys(series).sort());
  expect([...alarmRows.map((row) => row.series), 'MigrationsPending'].sort()).toEqual(Object.keys(series).sort());
});

test('a silent monitor is a fault, as are dead letters, failing ticks and what waits; full also watches each loop', async () => {
  const minimal = alarmsOf(await synthesize({}));
  const breaching = minimal.filter((alarm) => alarm.TreatMissingData === 'breaching');
  expect(breaching.map((alarm) => alarm.MetricName)).toEqual(['WorstLoopAge']);
  const names = minimal.map((alarm) => alarm.MetricName);
  for (const name of ['OutboxAgeSeconds', 'PendingJobAgeSeconds', 'CrlValidityLeft', 'LimiterFailOpen', 'LeaseLost', 'ItemsFailed'])
    expect(names).toContain(name);
  expect(minimal.filter(({ Namespace }) => Namespace === 'AWS/SQS').map((alarm) => alarm.MetricName)).toEqual([
    'ApproximateNumberOfMessagesVisible',
    'NumberOfMessagesSent',
  ]);
  const full = alarmsOf(await synthesize({ metrics: 'full' }));
  const count = (name: string): number => full.filter((alarm) => alarm.MetricName === name).length;
  const scheduled = functionSpecs.filter((spec) => spec.everyMinutes !== undefined).length;
  expect([count('Errors'), count('Duration'), count('LastSuccessAge')]).toEqual([scheduled, scheduled, scheduledLoops.length - 1]);
  expect(count('Throttles')).toBe(functionSpecs.filter((spec) => spec.routes !== undefined).length);
  expect(full.length).toBe(minimal.length + 3 * scheduled - 1 + count('Throttles'));
});

test('every alarm of every setting tells the topic, and the dashboard shows every series that is watched', async () => {
  const made = await synthesize({ metrics: 'full', alarms: { email: 'ops@example.com' } });
  for (const { Properties } of made.ofType('AWS::CloudWatch::Alarm'))
    expect(Properties['AlarmActions']).toEqual([{ Ref: expect.stringMatching(/^Topic/) as unknown }]);
  const dashboard = JSON.stringify(made.ofType('AWS::CloudWatch::Dashboard')[0]?.Properties['DashboardBody']);
  for (const name of Object.keys(series).filter((one) => one !== 'MigrationsPending')) expect(dashboard).toContain(name);
});
