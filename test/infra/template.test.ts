import { App, Stack, Validations } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleFunctions, type Bundles } from '#infra/bundle.ts';
import { readConfig } from '#infra/config.ts';
import { scheduledLoops } from '#domain/schedule/loops.ts';
import { functionSpecs } from '#infra/functions.ts';
import { resourceTypes } from '#infra/local/resource-types.ts';
import { addPlatform } from '#infra/platform.ts';
import { root } from '../platform.ts';

interface Resource {
  Type: string;
  Properties: Record<string, unknown>;
  DependsOn?: string[];
}
type Resources = Record<string, Resource>;

let bundles: Bundles;
let all: Resources;
let services: Template;
const folder = mkdtempSync(join(tmpdir(), 'certctl-cdk-'));

beforeAll(async () => {
  bundles = await bundleFunctions(root);
  const made = synth({});
  services = made.services;
  all = made.resources;
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const context = (JSON.parse(readFileSync(join(root, 'cdk.json'), 'utf8')) as { context: Record<string, unknown> }).context;

function synth(config: object): { resources: Resources; services: Template; stacks: Template[] } {
  const app = new App({ context, outdir: mkdtempSync(join(folder, 'out-')) });
  const made = addPlatform(app, readConfig(config), bundles);
  const stacks = Object.values(made).map((stack) => Template.fromStack(stack));
  return {
    resources: Object.assign({}, ...stacks.map((stack) => stack.toJSON()['Resources'] as Resources)) as Resources,
    services: Template.fromStack(made.services),
    stacks,
  };
}

const ofType = (type: string): [string, Resource][] => Object.entries(all).filter(([, resource]) => resource.Type === type);
const functionsByName = (): Map<string, [string, Resource]> =>
  new Map(ofType('AWS::Lambda::Function').map(([id, fn]) => [variables(fn)['CERTCTL_FUNCTION'] as string, [id, fn]]));
const variables = (fn: Resource): Record<string, unknown> =>
  (fn.Properties['Environment'] as { Variables: Record<string, unknown> }).Variables;

interface Statement {
  Action: string | string[];
  Resource?: unknown;
  Effect: string;
}
const statementsOf = (functionName: string): Statement[] => {
  const role = (functionsByName().get(functionName)![1].Properties['Role'] as { 'Fn::GetAtt': [string] })['Fn::GetAtt'][0];
  return ofType('AWS::IAM::Policy')
    .filter(([, policy]) => (policy.Properties['Roles'] as { Ref: string }[]).some(({ Ref }) => Ref === role))
    .flatMap(([, policy]) => (policy.Properties['PolicyDocument'] as { Statement: Statement[] }).Statement);
};

const acm = (region: string): string => `arn:aws:acm:${region}:111122223333:certificate/0`;
test.each<[string, object]>([
  ['the usual form', {}],
  ['names of its own', { domain: { name: 'example.com', certificateArn: acm('eu-west-1'), pkiCertificateArn: acm('us-east-1') } }],
  ['a load balancer', { loadBalancer: { domain: 'pki.example.com', certificateArn: acm('eu-west-1') } }],
  ['one that AWS identities may call', { iamCallers: true }],
  ['everything that costs', { proxy: true, minCapacity: 1, egress: 'nat', backup: {}, metrics: 'full', ipv6Prober: true }],
])(
  'the pack AwsSolutions finds nothing in %s that is not acknowledged with a reason',
  (_, config) => {
    const app = new App({ context, outdir: mkdtempSync(join(folder, 'nag-')) });
    addPlatform(app, readConfig(config), bundles);
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    expect(findings(app)).toEqual([]);
  },
  120_000,
);

test('the pack would find a bucket without any protection', () => {
  const app = new App({ outdir: mkdtempSync(join(folder, 'nag-')) });
  new s3.Bucket(new Stack(app, 'Careless'), 'Bucket', { enforceSSL: false });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  expect(findings(app).join('\n')).toContain('AwsSolutions-S10');
});

/** What a validation of the app reports. */
function findings(app: App): string[] {
  const write = process.stderr.write.bind(process.stderr);
  const before = process.exitCode;
  process.stderr.write = () => true;
  try {
    app.synth();
  } catch (error) {
    return [String(error)];
  } finally {
    process.stderr.write = write;
    process.exitCode = before;
  }
  const file = join(app.outdir, 'validation-report.json');
  const report = JSON.parse(readFileSync(file, 'utf8')) as {
    pluginReports: { violations: { ruleName: string; violatingConstructs?: { constructPath?: string }[] }[] }[];
  };
  return report.pluginReports.flatMap((plugin) =>
    plugin.violations.map((violation) => `${violation.ruleName} ${violation.violatingConstructs?.[0]?.constructPath ?? ''}`),
  );
}

test('every function of the tree is deployed, and every deployed one is in the tree', () => {
  expect([...functionsByName().keys()].sort()).toEqual(functionSpecs.map((spec) => spec.name).sort());
});

test('no policy has a wildcard action, and a wildcard resource only where EC2 knows none', () => {
  for (const [id, policy] of ofType('AWS::IAM::Policy')) {
    for (const statement of (policy.Properties['PolicyDocument'] as { Statement: Statement[] }).Statement) {
      const actions = [statement.Action].flat();
      expect([id, actions.filter((action) => action.includes('*'))]).toEqual([id, []]);
      if (JSON.stringify(statement.Resource) === '"*"')
        expect([id, actions.every((action) => action.startsWith('ec2:'))]).toEqual([id, true]);
    }
  }
});

test('the prober has nothing but its own log group: no VPC, no database, no secret, no other permission', () => {
  const [, fn] = functionsByName().get('prober')!;
  expect(fn.Properties['VpcConfig']).toBeUndefined();
  expect(Object.keys(variables(fn)).sort()).toEqual(['CERTCTL_FUNCTION', 'CERTCTL_RELEASE', 'DNS_RESOLVERS']);
  const statements = statementsOf('prober');
  expect(statements.map((statement) => statement.Action)).toEqual([['logs:CreateLogStream', 'logs:PutLogEvents']]);
  const logGroup = (fn.Properties['LoggingConfig'] as { LogGroup: { Ref: string } }).LogGroup.Ref;
  expect(statements[0]!.Resource).toEqual({ 'Fn::GetAtt': [logGroup, 'Arn'] });
});

test('the door of npm start cannot be expressed by the CDK app', () => {
  expect(() => readConfig({ proberDoor: {} })).toThrow(/proberDoor/);
  expect(JSON.stringify(all)).not.toMatch(/PROBER_DOOR|localhost/);
});

test('an unknown key of the context refuses to synthesize, in one line that names it', () => {
  expect(() => readConfig({ edeg: false })).toThrow('certctl: Unrecognized key: "edeg"');
  const result = spawnSync(process.execPath, ['infra/app.ts'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, CDK_OUTDIR: join(folder, 'refused'), CDK_CONTEXT_JSON: JSON.stringify({ certctl: { edeg: false } }) },
  });
  expect([result.status, result.stderr.trim().split('\n').length]).toEqual([1, 1]);
});

test('every function but migrate waits for the schema', () => {
  for (const [name, [, fn]] of functionsByName())
    expect([name, (fn.DependsOn ?? []).includes('Schema')]).toEqual([name, name !== 'migrate']);
  services.hasResourceProperties('Custom::CertctlSchema', { ServiceTimeout: '960', manifestDigest: bundles.migrations.digest });
});

test('every function runs on nodejs24.x arm64, has a role and a log group of its own that forgets', () => {
  const functions = ofType('AWS::Lambda::Function');
  for (const [id, fn] of functions)
    expect([id, fn.Properties['Runtime'], fn.Properties['Architectures']]).toEqual([id, 'nodejs24.x', ['arm64']]);
  expect(new Set(functions.map(([, fn]) => JSON.stringify(fn.Properties['Role']))).size).toBe(functions.length);
  expect(new Set(functions.map(([, fn]) => JSON.stringify(fn.Properties['LoggingConfig']))).size).toBe(functions.length);
  for (const [id, group] of ofType('AWS::Logs::LogGroup')) expect([id, group.Properties['RetentionInDays']]).toEqual([id, 30]);
});

test('the functions that limit get their numbers from the configuration, and may write to the table of the rates and nothing more', () => {
  const limited = synth({ limits: { newOrdersPerHour: 7, ocspRequestsPerMinute: 0 } }).resources;
  const of = (name: string): Record<string, unknown> =>
    variables(
      Object.values(limited).find(
        (resource) => resource.Type === 'AWS::Lambda::Function' && variables(resource)['CERTCTL_FUNCTION'] === name,
      )!,
    );
  expect(of('acme')).toMatchObject({ LIMIT_NEW_ORDERS_PER_HOUR: '7', LIMIT_CHALLENGE_RESPONSES_PER_HOUR: '60' });
  expect(of('revocation')).toMatchObject({ LIMIT_OCSP_REQUESTS_PER_MINUTE: '0' });
  expect(of('api')['LIMIT_NEW_ORDERS_PER_HOUR']).toBeUndefined();
  expect(Object.keys(of('worker')).filter((name) => name.startsWith('LIMIT_'))).toEqual([]);
  expect(() => readConfig({ limits: { newOrdersPerHour: 0 } })).toThrow(/newOrdersPerHour/);
  expect(() => readConfig({ limits: { newOrders: 5 } })).toThrow(/newOrders/);
  const [[id, rates] = ['', undefined]] = ofType('AWS::DynamoDB::Table').filter(([name]) => name.startsWith('RateLimits'));
  expect([rates?.Properties['GlobalSecondaryIndexes'], rates?.Properties['StreamSpecification']]).toEqual([undefined, undefined]);
  for (const name of ['acme', 'api', 'revocation']) {
    const actions = statementsOf(name).filter((statement) => JSON.stringify(statement.Resource).includes(id));
    expect([name, actions.flatMap((statement) => statement.Action).sort()]).toEqual([name, ['dynamodb:GetItem', 'dynamodb:UpdateItem']]);
  }
});

test('the distribution tells who asks and proves that it is the one that tells it; a direct caller cannot', () => {
  const [, distribution] = ofType('AWS::CloudFront::Distribution')[0]!;
  const { Origins, DefaultCacheBehavior } = distribution.Properties['DistributionConfig'] as {
    Origins: { OriginCustomHeaders: { HeaderName: string; HeaderValue: unknown }[] }[];
    DefaultCacheBehavior: { OriginRequestPolicyId: unknown };
  };
  const [header] = Origins[0]!.OriginCustomHeaders;
  expect(header).toEqual({
    HeaderName: 'x-origin-token',
    HeaderValue: { 'Fn::Select': [2, { 'Fn::Split': ['/', { Ref: 'AWS::StackId' }] }] },
  });
  expect(DefaultCacheBehavior.OriginRequestPolicyId).toBeDefined();
  const [, policy] = ofType('AWS::CloudFront::OriginRequestPolicy')[0]!;
  expect(JSON.stringify(policy.Properties)).toContain('CloudFront-Viewer-Address');
  // The function compares with the same stack's number, not with its own stack's.
  expect(JSON.stringify(variables(functionsByName().get('revocation')![1])['ORIGIN_TOKEN'])).toContain('Fn::ImportValue');
});

test('everything at rest is encrypted, tables forget by TTL and can be restored', () => {
  for (const [, table] of ofType('AWS::DynamoDB::Table')) {
    expect(table.Properties).toMatchObject({
      TimeToLiveSpecification: { AttributeName: 'exp', Enabled: true },
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      BillingMode: 'PAY_PER_REQUEST',
    });
  }
  for (const [, bucket] of ofType('AWS::S3::Bucket')) {
    expect(bucket.Properties['BucketEncryption']).toBeDefined();
    expect(bucket.Properties['VersioningConfiguration']).toEqual({ Status: 'Enabled' });
    expect(Object.values(bucket.Properties['PublicAccessBlockConfiguration'] as object)).toEqual([true, true, true, true]);
  }
  for (const [, key] of ofType('AWS::KMS::Key')) expect(key.Properties['EnableKeyRotation']).toBe(true);
  for (const [, cluster] of ofType('AWS::RDS::DBCluster')) {
    expect(cluster.Properties).toMatchObject({
      StorageEncrypted: true,
      EnableIAMDatabaseAuthentication: true,
      DeletionProtection: true,
      BackupRetentionPeriod: 35,
      ServerlessV2ScalingConfiguration: { MinCapacity: 0, SecondsUntilAutoPause: 300 },
    });
  }
});

test('whatever runs asynchronously leaves its failures in a queue', () => {
  services.hasResourceProperties('AWS::SQS::Queue', { RedrivePolicy: { maxReceiveCount: 5, deadLetterTargetArn: Match.anyValue() } });
  const scheduled = functionSpecs.filter((spec) => spec.everyMinutes !== undefined);
  expect(ofType('AWS::Scheduler::Schedule')).toHaveLength(scheduled.length);
  const configs = ofType('AWS::Lambda::EventInvokeConfig').map(([, config]) => config.Properties);
  for (const { name } of scheduled) {
    const [id] = functionsByName().get(name)!;
    const config = configs.find((candidate) => (candidate['FunctionName'] as { Ref: string }).Ref === id);
    expect([name, config?.['DestinationConfig']]).toEqual([name, { OnFailure: { Destination: expect.anything() as unknown } }]);
  }
});

test('loops are reserved one copy by default, and none where the account cannot', () => {
  const reserved = (resources: Resources): unknown[] =>
    Object.values(resources)
      .filter(
        (resource) => resource.Type === 'AWS::Lambda::Function' && String(variables(resource)['CERTCTL_FUNCTION']).startsWith('loop-'),
      )
      .map((resource) => resource.Properties['ReservedConcurrentExecutions']);
  expect(reserved(all)).toEqual(scheduledLoops.map(() => 1));
  expect(reserved(synth({ reserveConcurrency: false }).resources)).toEqual(scheduledLoops.map(() => undefined));
});

test('each loop of the table has its schedule, with its interval, its name and its nominal time, and a time-out within the interval', () => {
  const schedules = ofType('AWS::Scheduler::Schedule').map(([, schedule]) => {
    const { ScheduleExpression, Target } = schedule.Properties as { ScheduleExpression: string; Target: { Input: string } };
    return [
      (JSON.parse(Target.Input) as { loop: string }).loop,
      ScheduleExpression,
      Target.Input.includes('<aws.scheduler.scheduled-time>'),
    ];
  });
  const expression = (minutes: number): string => (minutes === 60 ? 'rate(1 hour)' : `rate(${minutes} minute${minutes === 1 ? '' : 's'})`);
  expect(schedules.sort()).toEqual(scheduledLoops.map((loop) => [loop.function, expression(loop.everyMinutes), true]).sort());
  for (const loop of scheduledLoops) {
    const [, fn] = functionsByName().get(loop.function)!;
    expect(fn.Properties['Timeout']).toBe(loop.timeoutSeconds);
    expect(loop.timeoutSeconds).toBeLessThanOrEqual(loop.everyMinutes === 1 ? 50 : 300);
  }
});

test('functions and queues form no cycle: nobody is called or fed by what it calls or feeds', () => {
  const edges = new Map<string, string[]>();
  const add = (from: string, to: string): void => void edges.set(from, [...(edges.get(from) ?? []), to]);
  const queues = ofType('AWS::SQS::Queue').map(([id]) => id);
  const functions = [...functionsByName()].map(([name, [id]]) => ({ name, id }));
  for (const { name, id } of functions) {
    for (const statement of statementsOf(name)) {
      const actions = [statement.Action].flat();
      const resources = JSON.stringify(statement.Resource);
      if (actions.includes('lambda:InvokeFunction'))
        for (const other of functions) if (resources.includes(`"${other.id}"`)) add(id, other.id);
      if (actions.includes('sqs:SendMessage')) for (const queue of queues) if (resources.includes(`"${queue}"`)) add(id, queue);
    }
  }
  for (const [, source] of ofType('AWS::Lambda::EventSourceMapping')) {
    const { EventSourceArn, FunctionName } = source.Properties as {
      EventSourceArn: { 'Fn::GetAtt': [string] };
      FunctionName: { Ref: string };
    };
    add(EventSourceArn['Fn::GetAtt'][0], FunctionName.Ref);
  }
  const reaches = (from: string, seen = new Set<string>()): Set<string> => {
    for (const to of edges.get(from) ?? []) if (!seen.has(to)) reaches(to, seen.add(to));
    return seen;
  };
  expect(edges.size).toBeGreaterThan(5);
  for (const node of edges.keys()) expect([node, reaches(node).has(node)]).toEqual([node, false]);
});

test('a message stays hidden for six times the longest attempt, comes five times, and then is kept with the dead for two weeks', () => {
  const [, jobs] = ofType('AWS::SQS::Queue').find(([, queue]) => 'RedrivePolicy' in queue.Properties)!;
  expect(jobs.Properties).toMatchObject({ VisibilityTimeout: 360, RedrivePolicy: { maxReceiveCount: 5 } });
});

test('the connector opens only seals that were made for it, and has neither database nor network of ours', () => {
  const [, fn] = functionsByName().get('connector')!;
  expect(fn.Properties['VpcConfig']).toBeUndefined();
  const decrypt = statementsOf('connector').find((statement) => JSON.stringify(statement.Action).includes('kms:Decrypt')) as Statement & {
    Condition: unknown;
  };
  expect(decrypt.Condition).toEqual({ StringLike: { 'kms:EncryptionContext:certctl': ['connector:*'] } });
  expect(statementsOf('connector').flatMap((statement) => statement.Action)).toEqual([
    'logs:CreateLogStream',
    'logs:PutLogEvents',
    'kms:Decrypt',
  ]);
});

test('functions with the database are dual-stack; the answer bucket of CloudFormation is behind the endpoint of their own route tables', () => {
  for (const spec of functionSpecs) {
    const [, fn] = functionsByName().get(spec.name)!;
    const inVpc = spec.database !== undefined;
    expect([spec.name, (fn.Properties['VpcConfig'] as { Ipv6AllowedForDualStack?: boolean } | undefined)?.Ipv6AllowedForDualStack]).toEqual(
      [spec.name, inVpc ? true : undefined],
    );
    expect([spec.name, variables(fn)['AWS_USE_DUALSTACK_ENDPOINT']]).toEqual([spec.name, inVpc ? 'true' : undefined]);
  }
  const tables = ofType('AWS::EC2::RouteTable').map(([id]) => ({ Ref: id }));
  const endpoint = ofType('AWS::EC2::VPCEndpoint').find(([, e]) => JSON.stringify(e.Properties['ServiceName']).includes('s3'))![1];
  expect(endpoint.Properties['RouteTableIds']).toEqual(tables);
  expect(JSON.stringify(endpoint.Properties['PolicyDocument'])).toContain('cloudformation-custom-resource-response-*/*');
  expect(ofType('AWS::EC2::NatGateway')).toEqual([]);
  expect(ofType('AWS::EC2::EgressOnlyInternetGateway').length).toBeGreaterThan(0);
});

test('the stage is throttled and logs, and the distribution serves http to whoever asks for status', () => {
  const [, stage] = ofType('AWS::ApiGatewayV2::Stage')[0]!;
  expect(stage.Properties).toMatchObject({
    DefaultRouteSettings: { ThrottlingRateLimit: 200, ThrottlingBurstLimit: 400 },
    AccessLogSettings: expect.anything() as unknown,
  });
  const [, distribution] = ofType('AWS::CloudFront::Distribution')[0]!;
  expect(distribution.Properties['DistributionConfig']).toMatchObject({ DefaultCacheBehavior: { ViewerProtocolPolicy: 'allow-all' } });
});

test('without the edge there is no CloudFront; with an existing database no Aurora and, without its network, no VPC', () => {
  const types = (config: object): Set<string> => new Set(Object.values(synth(config).resources).map((resource) => resource.Type));
  expect([...types({ edge: false })].filter((type) => type.includes('CloudFront'))).toEqual([]);
  const secretArn = 'arn:aws:secretsmanager:us-east-1:111122223333:secret:db-AbCdEf';
  const existing = { existingDatabase: { host: 'db.internal', name: 'certctl', secretArn } };
  expect([...types(existing)].filter((type) => /RDS|EC2/.test(type))).toEqual([]);
  const vpc = { vpcId: 'vpc-1', availabilityZones: ['us-east-1a'], subnetIds: ['subnet-1'], securityGroupId: 'sg-1' };
  // In a foreign network the framework answers CloudFormation from outside of it.
  const withNetwork = synth({ existingDatabase: { ...existing.existingDatabase, vpc } }).resources;
  expect(Object.keys(withNetwork).some((id) => id.startsWith('SchemaProvider'))).toBe(true);
});

test('AWS identities call where that is wanted, by a route of their own that leads to the control plane alone', () => {
  const iamRoutes = (resources: Resources): Record<string, unknown>[] =>
    Object.values(resources)
      .filter((resource) => resource.Type === 'AWS::ApiGatewayV2::Route' && resource.Properties['AuthorizationType'] === 'AWS_IAM')
      .map((resource) => resource.Properties);
  const pathsUnderIam = (resources: Resources): unknown[] =>
    Object.values(resources).flatMap(({ Type, Properties: { RouteKey } }) =>
      Type === 'AWS::ApiGatewayV2::Route' && String(RouteKey).includes('/iam') ? [RouteKey] : [],
    );
  expect([iamRoutes(all), pathsUnderIam(all)]).toEqual([[], []]);
  const { resources, services: withCallers } = synth({ iamCallers: true });
  expect(pathsUnderIam(resources)).toEqual(['ANY /iam/{proxy+}']);
  const [route, ...others] = iamRoutes(resources);
  expect([route?.['RouteKey'], others]).toEqual(['ANY /iam/{proxy+}', []]);
  const open = Object.values(resources).find(({ Properties }) => Properties['RouteKey'] === 'ANY /api/{proxy+}')!;
  expect([open.Properties['AuthorizationType'], route?.['Target']]).toEqual(['NONE', open.Properties['Target']]);
  withCallers.hasOutput('ApiIamRouteArn0', {});
  // Nothing else is there than before.
  const types = (of: Resources): string[] => [...new Set(Object.values(of).map(({ Type }) => Type))].sort();
  expect(types(resources)).toEqual(types(all));
});

test('npm start has one treatment for every resource type of the template, and none for another', () => {
  const types = new Set(Object.values(all).map((resource) => resource.Type));
  expect(Object.keys(resourceTypes).sort()).toEqual([...types].sort());
  for (const [type, treatment] of Object.entries(resourceTypes)) {
    const why = treatment.kind === 'inert' ? treatment.reason : treatment.kind === 'replaced' ? treatment.by : 'played';
    expect([type, why.length > 5]).toEqual([type, true]);
  }
});
