import { CfnOutput, Duration, Fn, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import * as apigateway from 'aws-cdk-lib/aws-apigatewayv2';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import * as origins from 'aws-cdk-lib/aws-cloudfront-origins';
import type { Construct } from 'constructs';
import type { Config } from '../config.ts';
import { logGroup } from '../constructs/log-group.ts';

export interface EdgeProps extends StackProps {
  readonly config: Config;
}

/** The addresses that clients hold on to: the HTTP API, and CloudFront for what must be reachable over plain http. */
export class EdgeStack extends Stack {
  readonly api: apigateway.HttpApi;
  /** https, no trailing slash. */
  readonly publicBaseUrl: string;
  /** Where certificates say that CRL, OCSP and CA certificates are. */
  readonly pkiBaseUrl: string;
  /** Proves that a request came through the distribution: nobody outside of the account can guess the stack's number. Undefined without one. */
  readonly originToken: string | undefined;

  constructor(scope: Construct, id: string, props: EdgeProps) {
    super(scope, id, { ...props, description: 'certctl: HTTP API and distribution' });
    this.api = new apigateway.HttpApi(this, 'HttpApi', { createDefaultStage: false, description: 'certctl' });
    const accessLog = logGroup(this, 'AccessLog', props.config);
    new apigateway.HttpStage(this, 'Stage', {
      httpApi: this.api,
      autoDeploy: true,
      throttle: { rateLimit: 200, burstLimit: 400 },
      accessLogSettings: { destination: new apigateway.LogGroupLogDestination(accessLog) },
    });
    this.publicBaseUrl = this.api.apiEndpoint;
    this.originToken = props.config.edge ? Fn.select(2, Fn.split('/', this.stackId)) : undefined;
    this.pkiBaseUrl = props.config.edge ? `http://${this.#distribution().distributionDomainName}` : this.publicBaseUrl;
    new CfnOutput(this, 'ApiUrl', { value: this.publicBaseUrl });
    new CfnOutput(this, 'AcmeDirectory', { value: `${this.publicBaseUrl}/acme/profile/default/directory` });
    new CfnOutput(this, 'PkiUrl', { value: this.pkiBaseUrl });
  }

  #distribution(): cloudfront.Distribution {
    const origin = new origins.HttpOrigin(Fn.select(2, Fn.split('/', this.publicBaseUrl)), {
      protocolPolicy: cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
      originSslProtocols: [cloudfront.OriginSslPolicy.TLS_V1_2],
      ...(this.originToken !== undefined && { customHeaders: { 'x-origin-token': this.originToken } }),
    });
    const cachePolicy = new cloudfront.CachePolicy(this, 'StatusCache', {
      comment: 'By path alone; answers say how long they keep',
      defaultTtl: Duration.seconds(0),
      minTtl: Duration.seconds(0),
      maxTtl: Duration.days(1),
    });
    const distribution = new cloudfront.Distribution(this, 'Distribution', {
      comment: 'certctl: CRL, OCSP and CA certificates',
      defaultBehavior: {
        origin,
        // Signed content, and a client that checks the status of the server's own certificate would go in circles over https (RFC 5280 §8).
        viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.ALLOW_ALL,
        allowedMethods: cloudfront.AllowedMethods.ALLOW_ALL,
        cachedMethods: cloudfront.CachedMethods.CACHE_GET_HEAD,
        cachePolicy,
        originRequestPolicy: new cloudfront.OriginRequestPolicy(this, 'WhoAsks', {
          comment: 'Rate limits count who asks, not the edge that asks for them',
          headerBehavior: cloudfront.OriginRequestHeaderBehavior.allowList('CloudFront-Viewer-Address'),
        }),
        functionAssociations: [{ eventType: cloudfront.FunctionEventType.VIEWER_REQUEST, function: this.#viewerRequest() }],
      },
      errorResponses: [400, 403, 404, 405, 414, 500, 501, 502, 503, 504].map((httpStatus) => ({ httpStatus, ttl: Duration.seconds(0) })),
    });
    const reasons = {
      'AwsSolutions-CFR1': 'Revocation status must be readable from everywhere.',
      'AwsSolutions-CFR2': 'A web ACL costs more than the whole platform at rest; limits hold without one.',
      'AwsSolutions-CFR3': 'Access logs of public, signed content are an option of the operator, not a default cost.',
      'AwsSolutions-CFR4': 'Without a domain of its own the distribution has CloudFront’s certificate, and plain http is wanted here.',
    };
    for (const [rule, reason] of Object.entries(reasons)) Validations.of(distribution).acknowledge({ id: rule, reason });
    return distribution;
  }

  /** Serves nothing but the status paths, and turns base64 in OCSP GETs into base64url before a decoding origin can hurt it. */
  #viewerRequest(): cloudfront.Function {
    return new cloudfront.Function(this, 'ViewerRequest', {
      runtime: cloudfront.FunctionRuntime.JS_2_0,
      code: cloudfront.FunctionCode.fromInline(
        [
          'function handler(event) {',
          '  var request = event.request;',
          "  if (request.uri.indexOf('/.well-known/pki/') !== 0) return { statusCode: 404, statusDescription: 'Not Found' };",
          '  var match = /^(\\/\\.well-known\\/pki\\/ocsp\\/[a-z0-9-]+\\/)(.+)$/.exec(request.uri);',
          "  if (match && request.method === 'GET') {",
          "    request.uri = match[1] + match[2].replace(/%2B|\\+|%20/gi, '-').replace(/%2F|\\//gi, '_').replace(/%3D|=/gi, '');",
          '  }',
          '  return request;',
          '}',
        ].join('\n'),
      ),
    });
  }
}
