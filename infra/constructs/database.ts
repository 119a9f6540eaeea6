import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as rds from 'aws-cdk-lib/aws-rds';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { Config } from '../config.ts';
import { existingNetwork, newNetwork, type PlatformNetwork } from './network.ts';

/** A PostgreSQL that functions can be connected to. */
export interface PlatformDatabase {
  readonly host: string;
  readonly port: string;
  readonly name: string;
  /** Of the role that owns the schema. */
  readonly ownerSecret: secretsmanager.ISecret;
  /** Undefined: the functions run outside a VPC. */
  readonly network: PlatformNetwork | undefined;
  /** Where functions connect; migrations always go to the writer itself, for a proxy pins who holds a lock. */
  readonly runtimeHost: string;
  /** How the runtime role proves itself: by its IAM role, or with a secret. */
  readonly runtime: { readonly user: string; readonly secret: secretsmanager.ISecret | undefined };
  /** PEM of the authority of the server's certificate; undefined: one that Amazon's bundle or Node knows. */
  readonly certificateAuthority: string | undefined;
  /** Lets a role connect as the runtime's user. */
  grantConnect(role: iam.IRole): void;
  /** What must exist before the first connection. */
  readonly ready: readonly Construct[];
  /** What a backup plan covers. */
  readonly recoverable: readonly rds.IDatabaseCluster[];
}

export const runtimeRole = 'certctl_runtime';
export const ownerRole = 'certctl_owner';
const databaseName = 'certctl';

/** Aurora Serverless v2, which pauses to zero unless the configuration keeps it awake. */
export function newDatabase(scope: Construct, config: Config, artifacts: s3.Bucket): PlatformDatabase {
  const network = newNetwork(scope, config, artifacts);
  const { vpc, subnets, securityGroup: functions } = network;
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
    parameters: {
      idle_session_timeout: '60000',
      'rds.force_ssl': '1',
      // Statements and details of errors hold values of rows.
      log_min_error_statement: 'panic',
      log_error_verbosity: 'terse',
    },
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
  const proxy = config.proxy ? proxyOf(scope, cluster, network) : undefined;
  return {
    host: cluster.clusterEndpoint.hostname,
    port: '5432',
    name: databaseName,
    ownerSecret: secret,
    network,
    runtimeHost: proxy?.endpoint ?? cluster.clusterEndpoint.hostname,
    runtime: { user: runtimeRole, secret: undefined },
    certificateAuthority: undefined,
    grantConnect: (role) => void (proxy ?? cluster).grantConnect(role, runtimeRole),
    ready: proxy === undefined ? [cluster] : [cluster, proxy],
    recoverable: [cluster],
  };
}

/** A database that somebody else looks after; its roles prove themselves with secrets. */
export function existingDatabase(scope: Construct, options: NonNullable<Config['existingDatabase']>): PlatformDatabase {
  const secret = secretsmanager.Secret.fromSecretCompleteArn(scope, 'OwnerSecret', options.secretArn);
  const runtime =
    options.runtimeSecretArn === undefined
      ? secret
      : secretsmanager.Secret.fromSecretCompleteArn(scope, 'RuntimeSecret', options.runtimeSecretArn);
  return {
    host: options.host,
    port: String(options.port),
    name: options.name,
    ownerSecret: secret,
    network: options.vpc && existingNetwork(scope, options.vpc),
    runtimeHost: options.host,
    runtime: { user: options.runtimeUser, secret: runtime },
    certificateAuthority: options.certificateAuthority,
    grantConnect: (role) => void runtime.grantRead(role),
    ready: [],
    recoverable: [],
  };
}

/** One pool for all copies of all functions; who connects proves itself by its IAM role, and so does the proxy. */
function proxyOf(scope: Construct, cluster: rds.DatabaseCluster, network: PlatformNetwork): rds.DatabaseProxy {
  const securityGroup = new ec2.SecurityGroup(scope, 'ProxySecurityGroup', {
    vpc: network.vpc,
    description: 'certctl database proxy',
    allowAllOutbound: false,
  });
  const role = new iam.Role(scope, 'ProxyRole', { assumedBy: new iam.ServicePrincipal('rds.amazonaws.com'), description: 'certctl proxy' });
  const proxy = new rds.DatabaseProxy(scope, 'Proxy', {
    proxyTarget: rds.ProxyTarget.fromCluster(cluster),
    vpc: network.vpc,
    vpcSubnets: network.subnets,
    securityGroups: [securityGroup],
    role,
    iamAuth: true,
    requireTLS: true,
    defaultAuthScheme: rds.DefaultAuthScheme.IAM_AUTH,
  });
  cluster.grantConnect(role, runtimeRole);
  proxy.connections.allowFrom(network.securityGroup, ec2.Port.tcp(5432), 'functions');
  return proxy;
}
