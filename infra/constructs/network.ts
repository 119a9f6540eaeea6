import { Stack, Validations } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { Config } from '../config.ts';

/** Where functions with the database run. */
export interface PlatformNetwork {
  readonly vpc: ec2.IVpc;
  readonly subnets: ec2.SubnetSelection;
  /** Of the functions. */
  readonly securityGroup: ec2.ISecurityGroup;
  /** Functions reach AWS over IPv6. */
  readonly dualStack: boolean;
  /** The network is ours, so CloudFormation's answer bucket is reachable through our endpoint. */
  readonly own: boolean;
}

/** A network of our own, or the named one, with a security group for the functions. */
export function newNetwork(scope: Construct, config: Config, artifacts: s3.Bucket): PlatformNetwork {
  const named = config.vpc;
  const dualStack = named === undefined && config.egress === 'ipv6';
  const vpc = named === undefined ? ownVpc(scope, config, artifacts) : existingVpc(scope, named);
  const securityGroup = new ec2.SecurityGroup(scope, 'FunctionsSecurityGroup', {
    vpc,
    description: 'certctl functions with the database',
    allowAllOutbound: false,
  });
  if (dualStack) securityGroup.addEgressRule(ec2.Peer.anyIpv6(), ec2.Port.tcp(443), 'AWS APIs over IPv6');
  const overIpv4 = dualStack ? 'DynamoDB and S3 through the gateway endpoints' : 'AWS APIs';
  securityGroup.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443), overIpv4);
  const subnets =
    named === undefined
      ? { subnetType: config.egress === 'nat' ? ec2.SubnetType.PRIVATE_WITH_EGRESS : ec2.SubnetType.PRIVATE_ISOLATED }
      : namedSubnets(scope, named.subnetIds);
  return { vpc, subnets, securityGroup, dualStack, own: named === undefined };
}

/** The network of an existing database, with the security group that may reach it. */
export function existingNetwork(scope: Construct, where: NonNullable<NonNullable<Config['existingDatabase']>['vpc']>): PlatformNetwork {
  return {
    vpc: existingVpc(scope, where),
    subnets: namedSubnets(scope, where.subnetIds),
    securityGroup: ec2.SecurityGroup.fromSecurityGroupId(scope, 'SecurityGroup', where.securityGroupId),
    dualStack: false,
    own: false,
  };
}

function existingVpc(scope: Construct, where: NonNullable<Config['vpc']>): ec2.IVpc {
  return ec2.Vpc.fromVpcAttributes(scope, 'Vpc', {
    vpcId: where.vpcId,
    availabilityZones: where.availabilityZones,
    privateSubnetIds: where.subnetIds,
  });
}

function namedSubnets(scope: Construct, ids: readonly string[]): ec2.SubnetSelection {
  return { subnets: ids.map((subnetId, index) => ec2.Subnet.fromSubnetId(scope, `Subnet${index}`, subnetId)) };
}

function ownVpc(scope: Construct, config: Config, artifacts: s3.Bucket): ec2.IVpc {
  const nat = config.egress === 'nat';
  const vpc = new ec2.Vpc(scope, 'Vpc', {
    ...(nat
      ? {
          natGateways: 1,
          subnetConfiguration: [
            { name: 'functions', subnetType: ec2.SubnetType.PRIVATE_WITH_EGRESS },
            { name: 'nat', subnetType: ec2.SubnetType.PUBLIC, cidrMask: 28, mapPublicIpOnLaunch: false },
          ],
        }
      : {
          ipProtocol: ec2.IpProtocol.DUAL_STACK,
          natGateways: 0,
          createInternetGateway: false,
          subnetConfiguration: [{ name: 'functions', subnetType: ec2.SubnetType.PRIVATE_ISOLATED, ipv6AssignAddressOnCreation: true }],
        }),
    maxAzs: 2,
  });
  Validations.of(vpc).acknowledge({
    id: 'AwsSolutions-VPC7',
    reason:
      'Nothing listens in this network but the database, whose security group admits our functions only; flow logs would be the largest cost at rest.',
  });
  if (!nat) addIpv6Egress(scope, vpc);
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

/** Free of charge, unlike NAT: functions reach AWS over IPv6, and nothing reaches them. */
export function addIpv6Egress(scope: Construct, vpc: ec2.Vpc): void {
  const egress = new ec2.CfnEgressOnlyInternetGateway(scope, 'EgressOnly', { vpcId: vpc.vpcId });
  for (const [index, subnet] of vpc.isolatedSubnets.entries()) {
    new ec2.CfnRoute(scope, `EgressRoute${index}`, {
      routeTableId: subnet.routeTable.routeTableId,
      destinationIpv6CidrBlock: '::/0',
      egressOnlyInternetGatewayId: egress.attrId,
    });
  }
}
