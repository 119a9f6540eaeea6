import { Duration, Validations } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { Config } from '../config.ts';
import type { FunctionSpec } from '../functions.ts';
import { logGroup } from './log-group.ts';
import { addIpv6Egress } from './network.ts';
import { proberRole } from './function-role.ts';

export interface Ipv6ProberProps {
  readonly config: Config;
  /** Of the prober, whose code and size this one has too. */
  readonly spec: FunctionSpec;
  readonly code: lambda.Code;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Lambda outside of a VPC has IPv4 alone. This prober stands in a network that holds nothing else, whose one way leads to the internet over IPv6:
 * what strangers make it dial is no more of ours than before.
 */
export class Ipv6Prober extends Construct {
  readonly function: lambda.Function;

  constructor(scope: Construct, id: string, { config, spec, code, environment }: Ipv6ProberProps) {
    super(scope, id);
    const made = new ec2.Vpc(this, 'Vpc', {
      ipProtocol: ec2.IpProtocol.DUAL_STACK,
      natGateways: 0,
      createInternetGateway: false,
      subnetConfiguration: [{ name: 'prober', subnetType: ec2.SubnetType.PRIVATE_ISOLATED, ipv6AssignAddressOnCreation: true }],
      maxAzs: 2,
    });
    Validations.of(made).acknowledge({
      id: 'AwsSolutions-VPC7',
      reason: 'Nothing listens in this network; what its one function dials is in that function’s log.',
    });
    addIpv6Egress(this, made);
    // The class and its interface differ in optional properties alone.
    const vpc = made as ec2.IVpc;
    const securityGroup = new ec2.SecurityGroup(this, 'SecurityGroup', {
      vpc,
      description: 'certctl prober over IPv6',
      allowAllOutbound: false,
    });
    for (const port of [80, 443]) securityGroup.addEgressRule(ec2.Peer.anyIpv6(), ec2.Port.tcp(port), 'validations over IPv6');
    const logs = logGroup(this, 'Log', config);
    this.function = new lambda.Function(this, 'Function', {
      description: 'certctl prober over IPv6',
      runtime: lambda.Runtime.NODEJS_24_X,
      architecture: lambda.Architecture.ARM_64,
      code,
      handler: 'index.handler',
      memorySize: config.memoryMb[spec.name] ?? spec.memoryMb,
      timeout: Duration.seconds(spec.timeoutSeconds),
      role: proberRole(this, 'Role', logs),
      logGroup: logs,
      // The network's own resolver answers; named ones are reached over IPv4, which leads nowhere from here.
      environment: { ...environment, CERTCTL_FUNCTION: 'prober-ipv6', DNS_RESOLVERS: '', PROBER_FAMILY: '6' },
      vpc,
      vpcSubnets: { subnetType: ec2.SubnetType.PRIVATE_ISOLATED },
      securityGroups: [securityGroup],
      ipv6AllowedForDualStack: true,
    });
  }
}
