import { beforeAll, expect, test, vi } from 'vitest';
import { functionSpecs } from '#infra/functions.ts';
import { functionOf, synthesize, variablesOf, type Resource, type Synthesized } from './synthesize.ts';

vi.setConfig({ testTimeout: 120_000 });
let made: Synthesized;
beforeAll(async () => void (made = await synthesize({})), 120_000);

const idsOf = (type: string): readonly string[] => Object.keys(made.resources).filter((id) => made.resources[id]?.Type === type);
const properties = (type: string): readonly Resource['Properties'][] => made.ofType(type).map((resource) => resource.Properties);

test('functions with the database look addresses up IPv6 first, and all others know nothing of it', () => {
  for (const spec of functionSpecs) {
    const { NODE_OPTIONS, AWS_USE_DUALSTACK_ENDPOINT } = variablesOf(functionOf(made, spec.name)[1]);
    const inNetwork = spec.database !== undefined;
    expect([spec.name, NODE_OPTIONS, AWS_USE_DUALSTACK_ENDPOINT]).toEqual([
      spec.name,
      inNetwork ? '--dns-result-order=ipv6first' : undefined,
      inNetwork ? 'true' : undefined,
    ]);
  }
});

test('functions may open connections to https and to the database, and nobody may open one to them', () => {
  const [id = '', group] = Object.entries(made.resources).find(([name]) => name.startsWith('FunctionsSecurityGroup')) ?? [];
  expect(group?.Properties['SecurityGroupIngress']).toBeUndefined();
  expect(group?.Properties['SecurityGroupEgress']).toMatchObject([
    { CidrIpv6: '::/0', IpProtocol: 'tcp', FromPort: 443, ToPort: 443 },
    { CidrIp: '0.0.0.0/0', IpProtocol: 'tcp', FromPort: 443, ToPort: 443 },
  ]);
  const ofGroup = (type: string): readonly Resource['Properties'][] =>
    properties(type).filter((rule) => JSON.stringify(rule['GroupId']).includes(id));
  expect(ofGroup('AWS::EC2::SecurityGroupIngress')).toEqual([]);
  const toDatabase = ofGroup('AWS::EC2::SecurityGroupEgress').map((rule) => JSON.stringify(rule['DestinationSecurityGroupId']));
  expect(toDatabase).toEqual([expect.stringContaining('DatabaseSecurityGroup')]);
});

test('the subnets have IPv6 out, nothing in, and free endpoints for what is asked over IPv4', () => {
  const tables = idsOf('AWS::EC2::RouteTable').map((Ref) => ({ Ref }));
  expect(tables.length).toBeGreaterThanOrEqual(2);
  for (const subnet of properties('AWS::EC2::Subnet'))
    expect(subnet).toMatchObject({ AssignIpv6AddressOnCreation: true, MapPublicIpOnLaunch: false });
  const egress = properties('AWS::EC2::Route').filter((route) => 'EgressOnlyInternetGatewayId' in route);
  expect(egress.map((route) => [route['DestinationIpv6CidrBlock'], route['RouteTableId']])).toEqual(tables.map((table) => ['::/0', table]));
  for (const dear of ['NatGateway', 'InternetGateway', 'EIP']) expect([dear, idsOf(`AWS::EC2::${dear}`)]).toEqual([dear, []]);
  const endpoints = properties('AWS::EC2::VPCEndpoint');
  for (const service of ['dynamodb', 's3']) {
    const endpoint = endpoints.find((candidate) => JSON.stringify(candidate['ServiceName']).includes(`.${service}"`));
    expect([service, endpoint?.['VpcEndpointType'], endpoint?.['RouteTableIds']]).toEqual([service, 'Gateway', tables]);
  }
  expect(endpoints).toHaveLength(2);
});

test('the database sleeps after five minutes, lets go of forgotten sessions, speaks TLS only, logs no rows, and has one secret: its owner’s', () => {
  expect(properties('AWS::RDS::DBClusterParameterGroup').map((group) => group['Parameters'])).toEqual([
    { idle_session_timeout: '60000', 'rds.force_ssl': '1', log_min_error_statement: 'panic', log_error_verbosity: 'terse' },
  ]);
  expect(properties('AWS::RDS::DBCluster')).toMatchObject([
    { ServerlessV2ScalingConfiguration: { MinCapacity: 0, SecondsUntilAutoPause: 300 }, EnableIAMDatabaseAuthentication: true },
  ]);
  expect(idsOf('AWS::SecretsManager::Secret')).toHaveLength(1);
  expect(idsOf('AWS::RDS::DBProxy')).toEqual([]);
});

test('the functions of the network that nobody may call for weeks are called by the monitor', () => {
  const warmed = JSON.stringify(variablesOf(functionOf(made, 'loop-monitor')[1])['WARM_FUNCTIONS']);
  for (const spec of functionSpecs) {
    const sleeps = spec.database !== undefined && spec.everyMinutes === undefined;
    expect([spec.name, warmed.includes(`"${functionOf(made, spec.name)[0]}"`)]).toEqual([spec.name, sleeps]);
  }
});
