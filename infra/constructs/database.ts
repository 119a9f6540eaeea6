import { Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as rds from 'aws-cdk-lib/aws-rds';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { Config } from '../config.ts';

/** A PostgreSQL that functions can be connected to. */
export interface PlatformDatabase {
  readonly host: string;
  readonly port: string;
  readonly name: string;
  /** Of the role that owns the schema. */
  readonly ownerSecret: secretsmanager.ISecret;
  /** Where functions with the database run; undefined: outside a VPC. */
  readonly network:
    { readonly vpc: ec2.IVpc; readonly subnets: ec2.SubnetSelection; readonly securityGroup: ec2.ISecurityGroup } | undefined;
  /** How the runtime role proves itself: by its IAM role, or with a secret. */
  readonly runtime: { readonly user: string; readonly secret: secretsmanager.ISecret | undefined };
  /** PEM of the authority of the server's certificate; undefined: one that Amazon's bundle or Node knows. */
  readonly certificateAuthority: string | undefined;
  /** The database's network is ours, so CloudFormation's answer bucket is reachable through our endpoint. */
  readonly ownNetwork: boolean;
  /** Lets a role connect as the runtime's user. */
  grantConnect(role: iam.IRole): void;
  /** What must exist before the first connection. */
  readonly ready: readonly Construct[];
}

export const runtimeRole = 'certctl_runtime';
export const ownerRole = 'certctl_owner';
const databaseName = 'certctl';

/** Aurora Serverless v2 that pauses to zero, in a dual-stack network without NAT. */
export function newDatabase(scope: Construct, config: Config, artifacts: s3.Bucket): PlatformDatabase {
  const vpc = network(scope, artifacts);
  const subnets = { subnetType: ec2.SubnetType.PRIVATE_ISOLATED };
  const functions = new ec2.SecurityGroup(scope, 'FunctionsSecurityGroup', {
    vpc,
    description: 'certctl functions with the database',
    allowAllOutbound: false,
  });
  functions.addEgressRule(ec2.Peer.anyIpv6(), ec2.Port.tcp(443), 'AWS APIs over IPv6');
  functions.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443), 'DynamoDB and S3 through the gateway endpoints');
  const cluster = new rds.DatabaseCluster(scope, 'Database', {
    engine: rds.DatabaseClusterEngine.auroraPostgres({ version: rds.AuroraPostgresEngineVersion.VER_18_3 }),
    writer: rds.ClusterInstance.serverlessV2('Writer'),
    serverlessV2MinCapacity: config.minCapacity,
    serverlessV2MaxCapacity: config.maxCapacity,
    ...(config.minCapacity === 0 && { serverlessV2AutoPauseDuration: Duration.seconds(300) }),
    vpc,
    vpcSubnets: subnets,
    defaultDatabaseName: databaseName,
    credentials: rds.Credentials.fromGeneratedSecret(ownerRole),
    iamAuthentication: true,
    storageEncrypted: true,
    backup: { retention: Duration.days(35) },
    deletionProtection: config.deletionProtection,
    removalPolicy: config.deletionProtection ? RemovalPolicy.RETAIN : RemovalPolicy.SNAPSHOT,
    parameters: { idle_session_timeout: '60000', 'rds.force_ssl': '1' },
  });
  cluster.connections.allowDefaultPortFrom(functions, 'functions');
  const secret = cluster.secret;
  if (secret === undefined) throw new Error('the database has no owner secret');
  Validations.of(cluster.node.findChild('Secret')).acknowledge({
    id: 'AwsSolutions-SMG4',
    reason:
      'Used by the migration function alone, at deploys; a rotation function would need NAT or endpoints that cost more than the platform.',
  });
  Validations.of(cluster).acknowledge({
    id: 'AwsSolutions-RDS11',
    reason: 'The default port is kept: the security group admits our functions only, and an unusual port protects nothing.',
  });
  if (!config.deletionProtection) {
    Validations.of(cluster).acknowledge({
      id: 'AwsSolutions-RDS10',
      reason: 'A trial deployment said that it wants to be deleted; a final snapshot is kept.',
    });
  }
  return {
    host: cluster.clusterEndpoint.hostname,
    port: '5432',
    name: databaseName,
    ownerSecret: secret,
    network: { vpc, subnets, securityGroup: functions },
    runtime: { user: runtimeRole, secret: undefined },
    certificateAuthority: undefined,
    ownNetwork: true,
    grantConnect: (role) => void cluster.grantConnect(role, runtimeRole),
    ready: [cluster],
  };
}

/** A database that somebody else looks after; its roles prove themselves with secrets. */
export function existingDatabase(scope: Construct, options: NonNullable<Config['existingDatabase']>): PlatformDatabase {
  const secret = secretsmanager.Secret.fromSecretCompleteArn(scope, 'OwnerSecret', options.secretArn);
  const runtime =
    options.runtimeSecretArn === undefined
      ? secret
      : secretsmanager.Secret.fromSecretCompleteArn(scope, 'RuntimeSecret', options.runtimeSecretArn);
  const where = options.vpc;
  return {
    host: options.host,
    port: String(options.port),
    name: options.name,
    ownerSecret: secret,
    network: where && {
      vpc: ec2.Vpc.fromVpcAttributes(scope, 'Vpc', {
        vpcId: where.vpcId,
        availabilityZones: where.availabilityZones,
        privateSubnetIds: where.subnetIds,
      }),
      subnets: { subnets: where.subnetIds.map((subnetId, index) => ec2.Subnet.fromSubnetId(scope, `Subnet${index}`, subnetId)) },
      securityGroup: ec2.SecurityGroup.fromSecurityGroupId(scope, 'SecurityGroup', where.securityGroupId),
    },
    runtime: { user: options.runtimeUser, secret: runtime },
    certificateAuthority: options.certificateAuthority,
    ownNetwork: false,
    grantConnect: (role) => void runtime.grantRead(role),
    ready: [],
  };
}

function network(scope: Construct, artifacts: s3.Bucket): ec2.IVpc {
  const vpc = new ec2.Vpc(scope, 'Vpc', {
    ipProtocol: ec2.IpProtocol.DUAL_STACK,
    maxAzs: 2,
    natGateways: 0,
    createInternetGateway: false,
    subnetConfiguration: [{ name: 'functions', subnetType: ec2.SubnetType.PRIVATE_ISOLATED, ipv6AssignAddressOnCreation: true }],
  });
  Validations.of(vpc).acknowledge({
    id: 'AwsSolutions-VPC7',
    reason:
      'Nothing listens in this network but the database, whose security group admits our functions only; flow logs would be the largest cost at rest.',
  });
  // Free of charge, unlike NAT: functions reach AWS over IPv6, and nothing reaches them.
  const egress = new ec2.CfnEgressOnlyInternetGateway(scope, 'EgressOnly', { vpcId: vpc.vpcId });
  for (const [index, subnet] of vpc.isolatedSubnets.entries()) {
    new ec2.CfnRoute(scope, `EgressRoute${index}`, {
      routeTableId: subnet.routeTable.routeTableId,
      destinationIpv6CidrBlock: '::/0',
      egressOnlyInternetGatewayId: egress.attrId,
    });
  }
  vpc.addGatewayEndpoint('DynamoDb', { service: ec2.GatewayVpcEndpointAwsService.DYNAMODB });
  const objects = vpc.addGatewayEndpoint('S3', { service: ec2.GatewayVpcEndpointAwsService.S3 });
  objects.addToPolicy(
    new iam.PolicyStatement({
      principals: [new iam.AnyPrincipal()],
      actions: ['s3:GetObject', 's3:PutObject'],
      resources: [
        artifacts.arnForObjects('*'),
        // CloudFormation waits for the migration's answer in a bucket of its own.
        `arn:${Stack.of(scope).partition}:s3:::cloudformation-custom-resource-response-*/*`,
      ],
    }),
  );
  // The class and its interface differ in optional properties alone.
  return vpc as ec2.IVpc;
}
