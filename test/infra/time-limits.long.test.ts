import { beforeAll, expect, test, vi } from 'vitest';
import { scheduledLoops } from '#domain/schedule/loops.ts';
import { functionSpecs } from '#infra/functions.ts';
import { functionOf, synthesize, type Synthesized } from './synthesize.ts';

vi.setConfig({ testTimeout: 120_000 });
let made: Synthesized;
beforeAll(async () => void (made = await synthesize({})), 120_000);

const timeoutOf = (name: string): unknown => functionOf(made, name)[1].Properties['Timeout'];

test('migrations have time to wake the database, answer before CloudFormation gives up, and wait for the writer', async () => {
  const [schema] = made.ofType('Custom::CertctlSchema');
  expect([timeoutOf('migrate'), schema?.Properties['ServiceTimeout']]).toEqual([840, '960']);
  expect(made.ofType('AWS::RDS::DBInstance')).toHaveLength(1);
  expect(made.before('CertctlServices')).toContain('CertctlData');
  // In a network that is not ours the CDK's framework answers, between the two.
  const vpc = {
    vpcId: 'vpc-0a1b2c3d',
    availabilityZones: ['eu-central-1a', 'eu-central-1b'],
    subnetIds: ['subnet-0a1b2c3d', 'subnet-1a1b2c3d'],
  };
  const foreign = await synthesize({ vpc });
  const framework = foreign.ofType('AWS::Lambda::Function').filter((fn) => String(fn.Properties['Description']).includes('Provider'));
  expect(framework.map((fn) => fn.Properties['Timeout'])).toEqual([900]);
});

test('whoever waits for an answer over HTTP gets it before the gateway gives up at 30 seconds', () => {
  for (const spec of functionSpecs.filter((candidate) => candidate.routes !== undefined))
    expect([spec.name, timeoutOf(spec.name)]).toEqual([spec.name, 29]);
});

test('a tick that could not be delivered within a minute is forgotten, and leaves no dead letter', () => {
  const schedules = made.ofType('AWS::Scheduler::Schedule');
  expect(schedules).toHaveLength(scheduledLoops.length);
  for (const { Properties } of schedules) {
    const { RetryPolicy, DeadLetterConfig } = Properties['Target'] as { RetryPolicy: object; DeadLetterConfig?: object };
    expect([RetryPolicy, DeadLetterConfig]).toEqual([{ MaximumEventAgeInSeconds: 60, MaximumRetryAttempts: 0 }, undefined]);
  }
});

test('the worker takes ten messages at a time, returns only those that failed, and runs in as many copies as configured', async () => {
  const source = { BatchSize: 10, FunctionResponseTypes: ['ReportBatchItemFailures'] };
  const sources = (of: Synthesized): unknown => of.ofType('AWS::Lambda::EventSourceMapping').map((mapping) => mapping.Properties);
  expect(sources(made)).toMatchObject([{ ...source, ScalingConfig: { MaximumConcurrency: 5 } }]);
  expect(sources(await synthesize({ workerMaxConcurrency: 25 }))).toMatchObject([{ ...source, ScalingConfig: { MaximumConcurrency: 25 } }]);
});

test('synthesis says how many copies are reserved and what an account needs for it, and nothing where none is', async () => {
  const loops = scheduledLoops.length;
  const about = (of: Synthesized): readonly string[] => of.remarks('CertctlServices').filter((remark) => remark.includes('reserve'));
  expect(about(made)).toEqual([
    expect.stringMatching(`^reserves ${loops} concurrent .* fewer than ${loops + 100} .*"reserveConcurrency": false`) as unknown,
  ]);
  expect(about(await synthesize({ reserveConcurrency: false }))).toEqual([]);
});

test('no function is traced: traces cost, and ticks would fill them', () => {
  for (const { name } of functionSpecs) expect([name, functionOf(made, name)[1].Properties['TracingConfig']]).toEqual([name, undefined]);
});
