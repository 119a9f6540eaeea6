import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { InvokeCommand, LambdaClient, PutFunctionConcurrencyCommand } from '@aws-sdk/client-lambda';
import { GetScheduleCommand, ListSchedulesCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { namespace, series } from '#domain/metric/series.ts';
import { functionSpecs } from '#infra/functions.ts';
import { run } from '../interop/tool.ts';
import { request, root, until } from '../platform.ts';
import { secretsIn } from '../secrets.ts';
import type { Cloud } from './cloud.ts';
import { openEdge, type Edge } from './edge.ts';
import { mainAccount, region } from './emulator.ts';
import { nextRelease, thisRelease, type Release } from './release.ts';
import { bridgePolicies, withoutPolicies } from './policies.ts';
import { remaining } from './remaining.ts';
import { makeWorld, type World } from './world.ts';

// One account's life in order: each step finds what the one before left.
const stacks = ['CertctlKeys', 'CertctlData', 'CertctlEdge', 'CertctlServices', 'CertctlWatch'] as const;
const freshAccount = '111111111111';
let world: World;
let cloud: Cloud;
let edge: Edge | undefined;
let settings: object;
let token: string;
let apiUrl: string;
const folder = mkdtempSync(join(tmpdir(), 'deployment-'));

beforeAll(async () => {
  world = await makeWorld();
  cloud = world.cloud(mainAccount);
  settings = {
    existingDatabase: await world.database(cloud, 'platform'),
    dnsResolvers: [world.names.address],
    limits: { newOrdersPerHour: 20 },
  };
});
afterAll(async () => {
  edge?.close();
  await world.end();
  rmSync(folder, { recursive: true, force: true });
});

/** `cdk bootstrap`, as an operator types it. */
async function bootstrap(account: string): Promise<void> {
  const { status, output } = await thisRelease.cdk(
    ['bootstrap', `aws://${account}/${region}`, '--app', ''],
    world.emulator.environment(account),
  );
  expect([status, output.slice(-2000)]).toEqual([0, expect.anything() as unknown]);
}

/** `cdk deploy`, as an operator types it. */
function deploy(release: Release, context: object, account = mainAccount) {
  return release.cdk(
    ['deploy', '--all', '--method=direct', '--require-approval', 'never', '-c', `certctl=${JSON.stringify(context)}`],
    world.emulator.environment(account),
  );
}

async function tablesOf(): Promise<readonly string[]> {
  return (await cloud.resources('CertctlData')).flatMap((resource) =>
    resource.ResourceType === 'AWS::DynamoDB::Table' ? [resource.PhysicalResourceId ?? ''] : [],
  );
}

const ready = async (): Promise<Record<string, unknown>> => (await request(target(), `${apiUrl}/ready?deep=1`)).json();
const target = () => ({
  ca: world.authority.ca,
  connectTo: { 'https:': { host: '127.0.0.1', port: world.emulator.port }, 'http:': { host: '127.0.0.1', port: edge?.port ?? 0 } },
});

test('given an empty account, cdk bootstrap and cdk deploy make the stacks without a manual step', async () => {
  await bootstrap(mainAccount);
  const { status, output } = await deploy(thisRelease, settings);
  expect([status, output.slice(-2000)]).toEqual([0, expect.anything() as unknown]);
  for (const stack of stacks) expect([stack, await cloud.stackStatus(stack)]).toEqual([stack, 'CREATE_COMPLETE']);
  await bridgePolicies(cloud);
  apiUrl = (await cloud.outputs('CertctlEdge'))['ApiUrl'] ?? '';
  const template = await cloud.template('CertctlEdge');
  edge = await openEdge({ template, origin: apiUrl, emulatorPort: world.emulator.port, ca: world.authority.ca });
});

test('the admin token is shown once, by the command that the stack prints', async () => {
  const command = (await cloud.outputs('CertctlServices'))['AdminToken'] ?? '';
  const name = /--function-name (\S+)/.exec(command)?.[1] ?? '';
  const payload = JSON.parse(/--payload '([^']+)'/.exec(command)?.[1] ?? '{}') as object;
  token = ((await cloud.invoke(name, payload)) as { token: string }).token;
  expect(token).toMatch(/^certctl_/);
  expect(await cloud.invoke(name, payload)).toEqual({ token: null });
});

test('the smoke is green', async () => {
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, token, { mode: 0o600 });
  const { output } = await run(
    process.execPath,
    [
      ...['test/smoke/smoke.ts', '--endpoint', apiUrl, '--token-file', tokenFile, '--ca', world.authority.caFile],
      ...['--connect-to', `127.0.0.1:${world.emulator.port}`, '--connect-http-to', `127.0.0.1:${edge?.port ?? 0}`],
    ],
    {},
    root,
  );
  expect(output).toMatch(/^[1-9]\d* passed, 0 failed$/m);
});

test('every schedule that is due within a minute has fired its loop', async () => {
  const { Schedules } = await new SchedulerClient(cloud.client).send(new ListSchedulesCommand({}));
  expect(Schedules?.length).toBe(functionSpecs.filter((spec) => spec.everyMinutes !== undefined).length);
  const functions = await cloud.functions();
  for (const spec of functionSpecs.filter((candidate) => candidate.everyMinutes === 1)) {
    const group = functions.get(spec.name)?.LoggingConfig?.LogGroup ?? '';
    await until(
      `a tick of ${spec.name}`,
      async () => ((await cloud.logs(group)).some((line) => line.startsWith('REPORT')) ? true : undefined),
      75,
    );
    expect((await cloud.logs(group)).filter((line) => /Task timed out|"level":"ERROR"|Runtime exited/.test(line))).toEqual([]);
  }
});

test('a loop that is not due yet runs on the input of its schedule', async () => {
  const scheduler = new SchedulerClient(cloud.client);
  const { Schedules } = await scheduler.send(new ListSchedulesCommand({}));
  for (const { Name, GroupName } of Schedules ?? []) {
    const schedule = await scheduler.send(new GetScheduleCommand({ Name, GroupName }));
    expect([Name, schedule.State, schedule.Target?.RetryPolicy?.MaximumRetryAttempts]).toEqual([Name, 'ENABLED', 0]);
    const input = JSON.parse(schedule.Target?.Input ?? '{}') as object;
    await cloud.invoke(schedule.Target?.Arn?.split(':').at(-1) ?? '', input);
  }
});

test('the single copy of a loop holds where the account reserves it: a second one beside it is refused', async () => {
  const lambda = new LambdaClient({ ...cloud.client, maxAttempts: 1 });
  const loop = (await cloud.functions()).get('loop-job-processor')?.FunctionName ?? '';
  // This emulator drops the template's own value; the template test asserts it.
  await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName: loop, ReservedConcurrentExecutions: 1 }));
  const outcomes = await Promise.allSettled(
    Array.from({ length: 8 }, () => lambda.send(new InvokeCommand({ FunctionName: loop, Payload: Buffer.from('{}') }))),
  );
  const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [(outcome.reason as Error).name] : []));
  expect([refused.length > 0, new Set(refused)]).toEqual([true, new Set(['TooManyRequestsException'])]);
});

test('the dead-letter queue and the life of items are as the template says', async () => {
  const queues = new SQSClient(cloud.client);
  const attributes = await Promise.all(
    (await cloud.resources('CertctlServices'))
      .filter((resource) => resource.ResourceType === 'AWS::SQS::Queue')
      .map(
        async ({ PhysicalResourceId }) =>
          (await queues.send(new GetQueueAttributesCommand({ QueueUrl: PhysicalResourceId, AttributeNames: ['All'] }))).Attributes,
      ),
  );
  expect(attributes.flatMap((queue) => queue?.RedrivePolicy ?? [])).toEqual([expect.stringContaining('"maxReceiveCount":5')]);
  // This emulator drops the tables' TTL attribute; what it would act on is there in every short-lived item.
  const tables = new DynamoDBClient(cloud.client);
  const shortLived = (await tablesOf()).filter((name) => /Nonces|RateLimits/.test(name));
  expect(shortLived).toHaveLength(2);
  for (const TableName of shortLived) {
    const { Items } = await tables.send(new ScanCommand({ TableName }));
    expect([TableName, Items?.length === 0]).toEqual([TableName, false]);
    for (const item of Items ?? []) expect(Number(item['exp']?.N)).toBeGreaterThan(Date.now() / 1000 - 3600);
  }
});

test('the cloud refuses what no policy of a role allows, so that all the rest here shows that the policies suffice', async () => {
  const role = (await cloud.functions()).get('revocation')?.Role?.split('/').at(-1) ?? '';
  const crl = async (): Promise<number> =>
    (
      await request(
        target(),
        `http://${new URL((await cloud.outputs('CertctlEdge'))['PkiUrl'] ?? '').host}/.well-known/pki/crl/issuing-1.crl`,
      )
    ).status;
  expect(await crl()).toBe(200);
  await withoutPolicies(cloud, role, async () => {
    await until('the refusal shows', async () => ((await crl()) === 500 ? true : undefined));
  });
  await until('the function may read again', async () => ((await crl()) === 200 ? true : undefined));
});

test('nothing that was logged, and no environment variable, holds a secret', async () => {
  const created = await request(target(), `${apiUrl}/api/v1/eab-keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ profile: 'internal' }),
  });
  const known = Object.fromEntries(world.passwords.map((password, index) => [`database password ${index}`, password]));
  const functions = await cloud.functions();
  const logs = await Promise.all([...functions.values()].map((fn) => cloud.logs(fn.LoggingConfig?.LogGroup ?? '')));
  const variables = [...functions.values()].map((fn) => JSON.stringify(fn.Environment?.Variables));
  const everything = [...logs.flat(), ...variables, readFileSync(world.emulator.logFile, 'utf8')].join('\n');
  // What is known to be logged is found, so that the search is of something.
  expect(everything).toContain('"type":"validation"');
  expect(known).not.toEqual({});
  const eabKey = String(created.json()['hmac_key']);
  expect(secretsIn(everything, { ...known, 'the admin token': token, 'an EAB key': eabKey })).toEqual([]);
});

test('what functions measured arrived in their logs as metrics of the table, and of nothing else', async () => {
  const functions = await cloud.functions();
  const lines = (await Promise.all([...functions.values()].map((fn) => cloud.logs(fn.LoggingConfig?.LogGroup ?? '')))).flat();
  const names = lines.flatMap((line) => {
    if (!line.startsWith('{"_aws"')) return [];
    const { _aws } = JSON.parse(line) as { _aws: { CloudWatchMetrics: { Namespace: string; Metrics: { Name: string }[] }[] } };
    return _aws.CloudWatchMetrics.flatMap((set) => set.Metrics.map(({ Name }) => `${set.Namespace}/${Name}`));
  });
  const table = Object.keys(series).map((name) => `${namespace}/${name}`);
  expect([...new Set(names)].filter((name) => !table.includes(name))).toEqual([]);
  for (const sure of ['WorstLoopAge', 'OutboxAgeSeconds', 'PendingJobAgeSeconds', 'CrlValidityLeft', 'MigrationsPending'])
    expect([sure, names.includes(`${namespace}/${sure}`)]).toEqual([sure, true]);
});

test('the next release brings its migration, and what was issued before is still there', async () => {
  const before = await world.query('platform', 'SELECT count(*)::int AS n FROM certificates');
  const release = nextRelease('CREATE TABLE next_release (id integer PRIMARY KEY);\n');
  const { status, output } = await deploy(release, settings);
  release.remove();
  expect([status, output.slice(-2000)]).toEqual([0, expect.anything() as unknown]);
  expect(await cloud.stackStatus('CertctlServices')).toBe('UPDATE_COMPLETE');
  expect(await ready()).toMatchObject({ status: 'ready', database: { schema: expect.stringContaining('next_release') as unknown } });
  expect(await world.query('platform', 'SELECT count(*)::int AS n FROM certificates')).toEqual(before);
  expect(await world.query('platform', `SELECT has_table_privilege('platform_runtime', 'next_release', 'INSERT') AS granted`)).toEqual([
    { granted: true },
  ]);
});

test('a release whose migration fails rolls back: the functions, the schema and the answers stay those of before', async () => {
  const head = (await ready())['database'];
  const releases = async (): Promise<unknown[]> =>
    [...(await cloud.functions()).values()].map((fn) => fn.Environment?.Variables?.['CERTCTL_RELEASE']);
  const before = await releases();
  const release = nextRelease('CREATE TABLE next_release (id integer PRIMARY KEY);\n', 'next_release');
  release.addMigration('broken', 'CREATE TABLE half (id integer);\nINSERT INTO half VALUES (1);\nSELECT no_such_function();\n');
  const { status } = await deploy(release, settings);
  release.remove();
  expect(status).not.toBe(0);
  expect(await cloud.stackStatus('CertctlServices')).toBe('UPDATE_ROLLBACK_COMPLETE');
  expect((await cloud.failures('CertctlServices')).join('\n')).toMatch(/Schema: \d{6}_broken\.up\.sql: 42883 function/);
  expect(await releases()).toEqual(before);
  expect(await ready()).toMatchObject({ status: 'ready', database: { schema: (head as { schema: string }).schema } });
  expect(await world.query('platform', `SELECT to_regclass('half') AS half`)).toEqual([{ half: null }]);
});

test('a first deployment whose migration fails rolls back and leaves no function behind', async () => {
  const other = world.cloud(freshAccount);
  await bootstrap(freshAccount);
  const fresh = { existingDatabase: await world.database(other, 'fresh'), edge: false };
  const release = nextRelease('SELECT no_such_function();\n', 'broken');
  const { status } = await deploy(release, fresh, freshAccount);
  release.remove();
  expect(status).not.toBe(0);
  expect(await other.stackStatus('CertctlServices')).toBe('ROLLBACK_COMPLETE');
  expect((await other.failures('CertctlServices')).join('\n')).toMatch(/Schema: \d{6}_broken\.up\.sql: 42883 function/);
  expect([...(await other.functions()).keys()]).toEqual([]);
});

test('removed by name, the stacks leave nothing but what retention keeps', async () => {
  const kept: string[] = [];
  for (const stack of ['CertctlWatch', 'CertctlServices', 'CertctlEdge', 'CertctlData', 'CertctlKeys'])
    kept.push(...(await cloud.remove(stack)));
  expect(kept.sort()).toEqual(['AWS::DynamoDB::Table', 'AWS::DynamoDB::Table', 'AWS::DynamoDB::Table', 'AWS::KMS::Key', 'AWS::S3::Bucket']);
  expect(await remaining(cloud)).toEqual({
    ...{ apis: [], functions: [], logGroups: [], queues: [], schedules: [] },
    tables: Array.from({ length: 3 }, () => expect.stringMatching(/^CertctlData-/) as unknown),
    // The other one is the CDK's own, from the bootstrap.
    buckets: expect.arrayContaining([expect.stringMatching(/^certctldata-artifacts/), expect.stringMatching(/^cdk-/)]) as unknown,
  });
});
