import { CfnOutput, Fn, Stack, type StackProps } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import type { Construct } from 'constructs';
import type { Config } from '../config.ts';
import { loadBalancerEntrance, type LoadBalancerEntrance } from '../constructs/load-balancer.ts';
import { logGroup } from '../constructs/log-group.ts';
import type { PlatformNetwork } from '../constructs/network.ts';
import { ownNames } from '../constructs/own-names.ts';
import { statusDistribution } from '../constructs/status-distribution.ts';
import type { DataStack } from './data.ts';

export interface EdgeProps extends StackProps {
  readonly config: Config;
  readonly data: DataStack;
}

/** The addresses that clients hold on to: an HTTP API with CloudFront for what must be reachable over plain http, or a load balancer for both. */
export class EdgeStack extends Stack {
  /** What functions are mounted on: one of the two. */
  readonly entrance: { readonly api: apigateway.HttpApi } | { readonly balancer: LoadBalancerEntrance };
  /** https, no trailing slash. */
  readonly publicBaseUrl: string;
  /** Where certificates say that CRL, OCSP and CA certificates are. */
  readonly pkiBaseUrl: string;
  /** Proves that a request came through the distribution: nobody outside of the account can guess the stack's number. Undefined without one. */
  readonly originToken: string | undefined;

  constructor(scope: Construct, id: string, props: EdgeProps) {
    super(scope, id, { ...props, description: 'certctl: the addresses that clients hold on to' });
    const { config, data } = props;
    if (config.loadBalancer !== undefined) {
      const balancer = loadBalancerEntrance(this, config.loadBalancer, networkOf(data), config.webAclArn);
      this.entrance = { balancer };
      this.originToken = undefined;
      this.publicBaseUrl = `https://${config.loadBalancer.domain}`;
      this.pkiBaseUrl = `http://${config.loadBalancer.domain}`;
      new CfnOutput(this, 'DnsRecord', { value: `${config.loadBalancer.domain} CNAME ${balancer.dnsName}` });
    } else {
      const { api, stage } = httpApi(this, config);
      this.entrance = { api };
      this.originToken = config.edge ? Fn.select(2, Fn.split('/', this.stackId)) : undefined;
      const names = config.domain && ownNames(this, config.domain, api, stage);
      this.publicBaseUrl = names === undefined ? api.apiEndpoint : `https://${names.acme}`;
      const originHost = names?.origin ?? Fn.select(2, Fn.split('/', api.apiEndpoint));
      const distribution = this.originToken === undefined ? undefined : statusDistribution(this, config, originHost, this.originToken);
      if (distribution !== undefined) names?.point('Pki', names.pki, distribution);
      this.pkiBaseUrl = distribution === undefined ? this.publicBaseUrl : `http://${names?.pki ?? distribution.distributionDomainName}`;
    }
    new CfnOutput(this, 'ApiUrl', { value: this.publicBaseUrl });
    new CfnOutput(this, 'AcmeDirectory', { value: `${this.publicBaseUrl}/acme/profile/default/directory` });
    new CfnOutput(this, 'PkiUrl', { value: this.pkiBaseUrl });
  }
}

function networkOf(data: DataStack): PlatformNetwork {
  const { network } = data.database;
  if (network === undefined) throw new Error('a load balancer needs the network of the database');
  return network;
}

function httpApi(scope: Construct, config: Config): { api: apigateway.HttpApi; stage: apigateway.HttpStage } {
  const api = new apigateway.HttpApi(scope, 'HttpApi', {
    createDefaultStage: false,
    description: 'certctl',
    disableExecuteApiEndpoint: config.domain !== undefined,
  });
  const accessLog = logGroup(scope, 'AccessLog', config);
  const stage = new apigateway.HttpStage(scope, 'Stage', {
    httpApi: api,
    autoDeploy: true,
    throttle: { rateLimit: 200, burstLimit: 400 },
    accessLogSettings: { destination: new apigateway.LogGroupLogDestination(accessLog) },
  });
  return { api, stage };
}
