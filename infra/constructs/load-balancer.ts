import { Duration, Validations } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { LambdaTarget } from 'aws-cdk-lib/aws-elasticloadbalancingv2-targets';
import type * as lambda from 'aws-cdk-lib/aws-lambda';
import * as wafv2 from 'aws-cdk-lib/aws-wafv2';
import type { Construct } from 'constructs';
import type { Config } from '../config.ts';
import type { PlatformNetwork } from './network.ts';

/** The one entrance of a platform that must not be in the open, or that stands behind a web ACL. */
export interface LoadBalancerEntrance {
  readonly dnsName: string;
  /**
   * Sends paths to a function.
   *
   * @param scope of the function, which is replaced more often than the entrance
   * @param plain also over plain http, which status information needs (RFC 5280 §8)
   */
  route(scope: Construct, id: string, paths: readonly string[], fn: lambda.IFunction, plain: boolean): void;
}

/** Whom nothing is routed to gets 404, from whoever may connect at all. */
export function loadBalancerEntrance(
  scope: Construct,
  options: NonNullable<Config['loadBalancer']>,
  network: PlatformNetwork,
  webAclArn: string | undefined,
): LoadBalancerEntrance {
  const { vpc } = network;
  const subnets =
    options.subnetIds === undefined
      ? network.subnets
      : { subnets: options.subnetIds.map((id, index) => ec2.Subnet.fromSubnetId(scope, `EntranceSubnet${index}`, id)) };
  const securityGroup = new ec2.SecurityGroup(scope, 'EntranceSecurityGroup', {
    vpc,
    description: 'certctl entrance',
    allowAllOutbound: false,
  });
  const balancer = new elb.ApplicationLoadBalancer(scope, 'Entrance', {
    vpc,
    vpcSubnets: subnets,
    internetFacing: !options.internal,
    securityGroup,
    dropInvalidHeaderFields: true,
    deletionProtection: true,
    // Whoever serves answers within 29 seconds.
    idleTimeout: Duration.seconds(60),
  });
  Validations.of(balancer).acknowledge({
    id: 'AwsSolutions-ELB2',
    reason: 'Requests are logged by the functions; access logs want a bucket of the operator’s.',
  });
  for (const cidr of options.allowedCidrs)
    for (const port of [443, 80]) securityGroup.addIngressRule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(port), 'who may connect');
  const nothing = elb.ListenerAction.fixedResponse(404, { contentType: 'text/plain', messageBody: 'not found' });
  const secure = balancer.addListener('Https', {
    port: 443,
    open: false,
    certificates: [elb.ListenerCertificate.fromArn(options.certificateArn)],
    sslPolicy: elb.SslPolicy.TLS13_RES,
    defaultAction: nothing,
  });
  const plainly = balancer.addListener('Http', { port: 80, open: false, protocol: elb.ApplicationProtocol.HTTP, defaultAction: nothing });
  if (webAclArn !== undefined)
    new wafv2.CfnWebACLAssociation(scope, 'EntranceWebAcl', { resourceArn: balancer.loadBalancerArn, webAclArn });
  let priority = 0;
  return {
    dnsName: balancer.loadBalancerDnsName,
    route(from, id, paths, fn, plain) {
      priority += 1;
      const targetGroup = new elb.ApplicationTargetGroup(from, `${id}Targets`, { targets: [new LambdaTarget(fn)] });
      for (const [name, listener] of [['Rule', secure] as const, ...(plain ? [['PlainRule', plainly] as const] : [])]) {
        new elb.ApplicationListenerRule(from, `${id}${name}`, {
          listener,
          priority,
          conditions: [elb.ListenerCondition.pathPatterns([...paths])],
          action: elb.ListenerAction.forward([targetGroup]),
        });
      }
    },
  };
}
