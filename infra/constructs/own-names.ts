import { CfnOutput } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import * as acm from 'aws-cdk-lib/aws-certificatemanager';
import type * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import * as route53 from 'aws-cdk-lib/aws-route53';
import * as targets from 'aws-cdk-lib/aws-route53-targets';
import type { Construct } from 'constructs';
import type { Config } from '../config.ts';

/** Host names under the operator's domain. */
export interface OwnNames {
  readonly acme: string;
  readonly api: string;
  readonly pki: string;
  /** What the distribution asks. */
  readonly origin: string;
  /** Makes the record of a name, or says in an output which record is wanted. */
  point(id: string, name: string, to: cloudfront.IDistribution): void;
}

/** Mounts the API under names of the operator's; Amazon's own name for it is switched off elsewhere. */
export function ownNames(
  scope: Construct,
  domain: NonNullable<Config['domain']>,
  api: apigateway.HttpApi,
  stage: apigateway.HttpStage,
): OwnNames {
  const zone =
    domain.hostedZoneId === undefined
      ? undefined
      : route53.HostedZone.fromHostedZoneAttributes(scope, 'Zone', { hostedZoneId: domain.hostedZoneId, zoneName: domain.name });
  const record = (id: string, name: string, host: string, target: route53.IAliasRecordTarget): void => {
    if (zone === undefined) new CfnOutput(scope, `${id}Record`, { value: `${name} CNAME ${host}` });
    else new route53.ARecord(scope, `${id}Record`, { zone, recordName: `${name}.`, target: route53.RecordTarget.fromAlias(target) });
  };
  const certificate = acm.Certificate.fromCertificateArn(scope, 'Certificate', domain.certificateArn);
  const mount = (id: string, label: string): string => {
    const name = `${label}.${domain.name}`;
    const domainName = new apigateway.DomainName(scope, `${id}Name`, {
      domainName: name,
      certificate,
      securityPolicy: apigateway.SecurityPolicy.TLS_1_2,
    });
    new apigateway.ApiMapping(scope, `${id}Mapping`, { api, domainName, stage });
    const { regionalDomainName, regionalHostedZoneId } = domainName;
    record(id, name, regionalDomainName, new targets.ApiGatewayv2DomainProperties(regionalDomainName, regionalHostedZoneId));
    return name;
  };
  return {
    acme: mount('Acme', 'acme'),
    api: mount('Api', 'api'),
    origin: mount('PkiOrigin', 'pki-origin'),
    pki: `pki.${domain.name}`,
    point: (id, name, to) => record(id, name, to.distributionDomainName, new targets.CloudFrontTarget(to)),
  };
}
