import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, test, vi } from 'vitest';
import { readConfig } from '#infra/config.ts';
import { synthesize, type Resource } from './synthesize.ts';

// Many apps are synthesized here, on two cores.
vi.setConfig({ testTimeout: 120_000 });

const account = '111122223333';
const secretArn = `arn:aws:secretsmanager:eu-central-1:${account}:secret:db-AbCdEf`;
const network = { vpcId: 'vpc-1', availabilityZones: ['eu-central-1a', 'eu-central-1b'], subnetIds: ['subnet-1', 'subnet-2'] };
const existingDatabase = { host: 'db.internal', name: 'certctl', secretArn, vpc: { ...network, securityGroupId: 'sg-1' } };
const certificate = (region: string): string => `arn:aws:acm:${region}:${account}:certificate/0`;
const domain = { name: 'pki.example.com', certificateArn: certificate('eu-central-1'), pkiCertificateArn: certificate('us-east-1') };
const loadBalancer = { domain: 'pki.corp.example', certificateArn: certificate('eu-central-1') };
const webAcl = (scope: string): string => `arn:aws:wafv2:us-east-1:${account}:${scope}/webacl/name/0`;
const functionNamed = (resources: readonly Resource[], name: string): Record<string, unknown> =>
  resources
    .map((fn) => (fn.Properties['Environment'] as { Variables: Record<string, unknown> }).Variables)
    .find((variables) => variables['CERTCTL_FUNCTION'] === name)!;

describe('a configuration that cannot work is refused before synthesis, by the name of its key', () => {
  test.each<[object, RegExp]>([
    [{ proxy: true }, /certctl\.proxy: keeps the database awake/],
    [{ minCapacity: 4, maxCapacity: 2 }, /certctl\.maxCapacity: must not be below minCapacity/],
    [{ existingDatabase, proxy: true, minCapacity: 1 }, /certctl\.proxy: .*existingDatabase excludes it/],
    [{ existingDatabase, vpc: network }, /certctl\.vpc: /],
    [{ existingDatabase, backup: {} }, /certctl\.backup: /],
    [{ vpc: network, egress: 'nat' }, /certctl\.egress: /],
    [{ domain, edge: false }, /certctl\.domain: needs the edge/],
    [{ domain: { ...domain, pkiCertificateArn: certificate('eu-central-1') } }, /certctl\.domain\.pkiCertificateArn: must be in us-east-1/],
    [{ domain: { ...domain, name: 'Example.com' } }, /certctl\.domain\.name: must be a domain name/],
    [{ domain, loadBalancer }, /certctl\.loadBalancer: excludes domain/],
    [{ loadBalancer: { ...loadBalancer, internal: false } }, /certctl\.loadBalancer\.subnetIds: must be public subnets/],
    [
      { loadBalancer: { ...loadBalancer, subnetIds: ['subnet-1', 'subnet-2'] } },
      /certctl\.loadBalancer\.subnetIds: are subnets of a network/,
    ],
    [{ loadBalancer, iamCallers: true }, /certctl\.iamCallers: needs the HTTP API/],
    [{ loadBalancer, existingDatabase: { ...existingDatabase, vpc: undefined } }, /certctl\.loadBalancer: needs the network/],
    [{ certificateManagerRoles: ['arn:aws:iam::111122223333:role/certctl'] }, /certctl\.certificateManagerRoles: import nowhere/],
    [{ webAclArn: webAcl('regional') }, /certctl\.webAclArn: must have the scope CLOUDFRONT/],
    [{ loadBalancer, webAclArn: webAcl('global') }, /certctl\.webAclArn: must have the scope REGIONAL/],
    [{ edge: false, webAclArn: webAcl('global') }, /certctl\.webAclArn: has nothing to stand in front of/],
    [{ alarms: { email: 'nobody' } }, /certctl\.alarms\.email: /],
    [{ memoryMb: { acm: 512 } }, /certctl\.memoryMb/],
    [{ memoryMb: { acme: 64 } }, /certctl\.memoryMb\.acme: /],
    [{ logRetentionDays: 31 }, /certctl\.logRetentionDays: /],
    [{ existingDatabase: { ...existingDatabase, secretArn: 'db' } }, /certctl\.existingDatabase\.secretArn: must be the ARN/],
    [
      { existingDatabase: { ...existingDatabase, certificateAuthority: 'x' } },
      /certctl\.existingDatabase\.certificateAuthority: must be a PEM/,
    ],
  ])('%j', (config, message) => expect(() => readConfig(config)).toThrow(message));

  test('what is no JSON at all, too', () => expect(() => readConfig('{edge')).toThrow(/certctl: is no JSON object/));
});

test('without a domain, execute-api is the address, and certificates name the distribution’s host over plain http', async () => {
  const { templates, ofType } = await synthesize({});
  templates.edge.hasResourceProperties('AWS::ApiGatewayV2::Api', { DisableExecuteApiEndpoint: false });
  const variables = functionNamed(ofType('AWS::Lambda::Function'), 'acme');
  expect(JSON.stringify(variables['PUBLIC_BASE_URL'])).toMatch(/ApiEndpoint/);
  expect(JSON.stringify(variables['PKI_BASE_URL'])).toMatch(/"http:\/\/".*DomainName/);
});

test('with a domain, execute-api is off, acme. and api. are at API Gateway, pki. at CloudFront with a regional name as its origin', async () => {
  const { templates, ofType, types } = await synthesize({ domain: { ...domain, hostedZoneId: 'Z1' } });
  templates.edge.hasResourceProperties('AWS::ApiGatewayV2::Api', { DisableExecuteApiEndpoint: true });
  const names = ofType('AWS::ApiGatewayV2::DomainName').map((name) => name.Properties['DomainName']);
  expect(names.sort()).toEqual(['acme.pki.example.com', 'api.pki.example.com', 'pki-origin.pki.example.com']);
  templates.edge.hasResourceProperties('AWS::CloudFront::Distribution', {
    DistributionConfig: {
      Aliases: ['pki.pki.example.com'],
      DefaultCacheBehavior: {
        ViewerProtocolPolicy: 'allow-all',
        AllowedMethods: Match.arrayWith(['POST']),
        CachedMethods: ['GET', 'HEAD'],
      },
      Origins: [
        {
          DomainName: 'pki-origin.pki.example.com',
          CustomOriginConfig: { OriginProtocolPolicy: 'https-only' },
          OriginCustomHeaders: [{ HeaderName: 'x-origin-token', HeaderValue: Match.anyValue() }],
        },
      ],
      ViewerCertificate: { MinimumProtocolVersion: 'TLSv1.2_2021' },
    },
  });
  expect(functionNamed(ofType('AWS::Lambda::Function'), 'acme')).toMatchObject({
    PUBLIC_BASE_URL: 'https://acme.pki.example.com',
    PKI_BASE_URL: 'http://pki.pki.example.com',
  });
  expect(ofType('AWS::Route53::RecordSet').map((record) => record.Properties['Name'])).toHaveLength(4);
  const manual = await synthesize({ domain });
  expect(manual.types().has('AWS::Route53::RecordSet')).toBe(false);
  const outputs = JSON.stringify(manual.templates.edge.toJSON()['Outputs']);
  for (const label of ['acme', 'api', 'pki-origin', 'pki']) expect(outputs).toContain(`${label}.pki.example.com CNAME `);
  expect(types().has('AWS::CloudFront::Distribution')).toBe(true);
});

test('the distribution hands on what OCSP and the limits need, keeps no errors, and stands behind a web ACL that is named', async () => {
  const { templates } = await synthesize({ webAclArn: webAcl('global') });
  templates.edge.hasResourceProperties('AWS::CloudFront::OriginRequestPolicy', {
    OriginRequestPolicyConfig: { HeadersConfig: { HeaderBehavior: 'whitelist', Headers: ['CloudFront-Viewer-Address', 'Content-Type'] } },
  });
  templates.edge.hasResourceProperties('AWS::CloudFront::Distribution', {
    DistributionConfig: {
      WebACLId: webAcl('global'),
      CustomErrorResponses: Match.arrayWith([{ ErrorCode: 503, ErrorCachingMinTTL: 0 }]),
    },
  });
});

test('behind a load balancer there is no HTTP API and no CloudFront: https for all, plain http for status alone, for the allowed networks', async () => {
  const { templates, types, ofType } = await synthesize({ loadBalancer, webAclArn: webAcl('regional') });
  expect([...types()].filter((type) => /ApiGateway|CloudFront/.test(type))).toEqual([]);
  templates.edge.hasResourceProperties('AWS::ElasticLoadBalancingV2::LoadBalancer', { Scheme: 'internal' });
  templates.edge.hasResourceProperties('AWS::WAFv2::WebACLAssociation', { WebACLArn: webAcl('regional') });
  for (const listener of ofType('AWS::ElasticLoadBalancingV2::Listener'))
    expect(listener.Properties['DefaultActions']).toMatchObject([{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '404' } }]);
  const paths = (port: string): unknown[] =>
    Object.entries(templates.services.findResources('AWS::ElasticLoadBalancingV2::ListenerRule'))
      .filter(([, rule]) => JSON.stringify((rule as Resource).Properties['ListenerArn']).includes(port))
      .flatMap(([, rule]) => (rule as { Properties: { Conditions: { PathPatternConfig: { Values: string[] } }[] } }).Properties.Conditions)
      .flatMap((condition) => condition.PathPatternConfig.Values)
      .sort();
  expect(paths('EntranceHttps')).toEqual(['/.well-known/pki/*', '/acme/*', '/api/*', '/health', '/ready']);
  const plain = Object.values(templates.services.findResources('AWS::ElasticLoadBalancingV2::ListenerRule')).filter(
    (rule) => !JSON.stringify((rule as Resource).Properties['ListenerArn']).includes('EntranceHttps'),
  );
  expect(plain).toHaveLength(1);
  expect(JSON.stringify(plain)).toContain('/.well-known/pki/*');
  const ingress = ofType('AWS::EC2::SecurityGroup').flatMap(
    (group) => (group.Properties['SecurityGroupIngress'] as { CidrIp?: string }[] | undefined) ?? [],
  );
  expect(new Set(ingress.flatMap(({ CidrIp }) => CidrIp ?? []))).toEqual(new Set(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']));
  expect(functionNamed(ofType('AWS::Lambda::Function'), 'acme')).toMatchObject({
    PUBLIC_BASE_URL: 'https://pki.corp.example',
    PKI_BASE_URL: 'http://pki.corp.example',
  });
});

test('the proxy stands between the functions and the database, but not before migrations, and asks for IAM', async () => {
  const { templates, ofType } = await synthesize({ proxy: true, minCapacity: 1 });
  templates.data.hasResourceProperties('AWS::RDS::DBProxy', { RequireTLS: true, DefaultAuthScheme: 'IAM_AUTH', Auth: Match.absent() });
  const host = (name: string): string => JSON.stringify(functionNamed(ofType('AWS::Lambda::Function'), name)['DATABASE_HOST']);
  expect(host('acme')).toContain('Proxy');
  expect(host('migrate')).not.toContain('Proxy');
  expect(host('migrate')).toContain('Database');
});

test('with NAT the functions go out over IPv4; in a network that is named nothing of a network is made but security groups', async () => {
  const nat = await synthesize({ egress: 'nat' });
  expect(nat.ofType('AWS::EC2::NatGateway')).toHaveLength(1);
  expect(functionNamed(nat.ofType('AWS::Lambda::Function'), 'acme')['AWS_USE_DUALSTACK_ENDPOINT']).toBeUndefined();
  const named = await synthesize({ vpc: network });
  expect([...named.types()].filter((type) => type.startsWith('AWS::EC2::')).sort()).toEqual([
    'AWS::EC2::SecurityGroup',
    'AWS::EC2::SecurityGroupEgress',
    'AWS::EC2::SecurityGroupIngress',
  ]);
  expect(named.types().has('AWS::RDS::DBCluster')).toBe(true);
  expect(Object.keys(named.resources).some((id) => id.startsWith('SchemaProvider'))).toBe(true);
});

test('a prober over IPv6 is alone in a network whose one way is out, has nothing but its log group there, and is for the worker', async () => {
  const { resources, ofType } = await synthesize({ ipv6Prober: true });
  const variablesOf = (fn: Resource): Record<string, unknown> =>
    (fn.Properties['Environment'] as { Variables: Record<string, unknown> } | undefined)?.Variables ?? {};
  const [id, prober] = Object.entries(resources).find(
    ([, resource]) => resource.Type === 'AWS::Lambda::Function' && variablesOf(resource)['PROBER_FAMILY'] === '6',
  )!;
  expect(Object.keys(variablesOf(prober)).sort()).toEqual(['CERTCTL_FUNCTION', 'CERTCTL_RELEASE', 'DNS_RESOLVERS', 'PROBER_FAMILY']);
  expect(prober.Properties['VpcConfig']).toMatchObject({ Ipv6AllowedForDualStack: true });
  // No other function stands there, and no gateway lets anybody in.
  const { SubnetIds } = prober.Properties['VpcConfig'] as { SubnetIds: object[] };
  const inside = ofType('AWS::Lambda::Function').filter((fn) =>
    JSON.stringify(fn.Properties['VpcConfig'] ?? {}).includes(JSON.stringify(SubnetIds[0])),
  );
  expect(inside).toHaveLength(1);
  expect(ofType('AWS::EC2::InternetGateway').concat(ofType('AWS::EC2::NatGateway'), ofType('AWS::EC2::VPCPeeringConnection'))).toEqual([]);
  const group = (prober.Properties['VpcConfig'] as { SecurityGroupIds: { 'Fn::GetAtt': [string] }[] }).SecurityGroupIds[0]![
    'Fn::GetAtt'
  ][0];
  const { SecurityGroupEgress } = resources[group]!.Properties as {
    SecurityGroupEgress: { CidrIp?: string; CidrIpv6?: string; FromPort: number }[];
  };
  // The first is how CloudFormation says that nothing may go out over IPv4.
  expect(SecurityGroupEgress.map(({ CidrIp, CidrIpv6, FromPort }) => [CidrIpv6 ?? CidrIp, FromPort])).toEqual([
    ['255.255.255.255/32', 252],
    ['::/0', 80],
    ['::/0', 443],
  ]);
  const role = (prober.Properties['Role'] as { 'Fn::GetAtt': [string] })['Fn::GetAtt'][0];
  const actions = ofType('AWS::IAM::Policy')
    .filter((policy) => JSON.stringify(policy.Properties['Roles']).includes(role))
    .flatMap((policy) => (policy.Properties['PolicyDocument'] as { Statement: { Action: string[] }[] }).Statement)
    .flatMap((statement) => statement.Action);
  expect(actions.filter((action) => !action.startsWith('ec2:'))).toEqual(['logs:CreateLogStream', 'logs:PutLogEvents']);
  expect(functionNamed(ofType('AWS::Lambda::Function'), 'worker')['PROBER_IPV6_FUNCTION']).toEqual({ Ref: id });
  expect(JSON.stringify((await synthesize({})).resources)).not.toContain('PROBER_IPV6_FUNCTION');
});

test('sizes, tags, retention and removal are as configured', async () => {
  const { ofType, resources } = await synthesize({
    ...{ memoryMb: { acme: 2048 }, tags: { 'cost-center': '42' }, logRetentionDays: 90, retainData: false, deletionProtection: false },
  });
  const acme = ofType('AWS::Lambda::Function').find((fn) => fn.Properties['Description'] === 'certctl acme')!;
  expect(acme.Properties['MemorySize']).toBe(2048);
  const tagged = Object.entries(resources).filter(([, resource]) => 'Tags' in resource.Properties);
  expect(tagged.length).toBeGreaterThan(40);
  for (const [id, { Properties }] of tagged) {
    const tags = JSON.stringify(Properties['Tags']);
    expect([id, tags.includes('cost-center'), tags.includes('certctl')]).toEqual([id, true, true]);
  }
  for (const group of ofType('AWS::Logs::LogGroup')) expect(group.Properties['RetentionInDays']).toBe(90);
  for (const type of ['AWS::DynamoDB::Table', 'AWS::KMS::Key']) for (const kept of ofType(type)) expect(kept.DeletionPolicy).toBe('Delete');
  expect(ofType('AWS::RDS::DBCluster').map((cluster) => cluster.DeletionPolicy)).toEqual(['Snapshot']);
  const usual = await synthesize({});
  for (const type of ['AWS::DynamoDB::Table', 'AWS::KMS::Key', 'AWS::S3::Bucket', 'AWS::RDS::DBCluster'])
    for (const kept of usual.ofType(type)) expect([type, kept.DeletionPolicy]).toEqual([type, 'Retain']);
});

test('backups are daily, kept as configured, copied elsewhere, and of what cannot be made anew', async () => {
  const vault = `arn:aws:backup:eu-west-1:${account}:backup-vault:copies`;
  const { templates } = await synthesize({ backup: { retentionDays: 60, copyToVaultArns: [vault] } });
  templates.data.hasResourceProperties('AWS::Backup::BackupPlan', {
    BackupPlan: {
      BackupPlanRule: [
        {
          ScheduleExpression: 'cron(0 3 * * ? *)',
          Lifecycle: { DeleteAfterDays: 60 },
          CopyActions: [{ DestinationBackupVaultArn: vault, Lifecycle: { DeleteAfterDays: 60 } }],
        },
      ],
    },
  });
  const selection = JSON.stringify(Object.values(templates.data.findResources('AWS::Backup::BackupSelection')));
  for (const part of ['State', 'Database']) expect(selection).toContain(part);
});

test('alarms go to a topic of the operator’s where one is named, else to a new one with an address; the dashboard can be left out', async () => {
  const { ofType } = await synthesize({ alarms: { email: 'ops@example.com' } });
  expect(ofType('AWS::SNS::Subscription').map((subscription) => subscription.Properties['Endpoint'])).toEqual(['ops@example.com']);
  const topicArn = `arn:aws:sns:eu-central-1:${account}:pager`;
  const existing = await synthesize({ alarms: { topicArn }, dashboard: false });
  expect(existing.types().has('AWS::SNS::Topic')).toBe(false);
  for (const alarm of existing.ofType('AWS::CloudWatch::Alarm')) expect(alarm.Properties['AlarmActions']).toEqual([topicArn]);
  expect(existing.types().has('AWS::CloudWatch::Dashboard')).toBe(false);
});

test('full metrics are asked of every function', async () => {
  const { ofType } = await synthesize({ metrics: 'full' });
  for (const fn of ofType('AWS::Lambda::Function'))
    expect((fn.Properties['Environment'] as { Variables: Record<string, unknown> }).Variables['CERTCTL_METRICS']).toBe('full');
});
