import { Duration, Validations } from 'aws-cdk-lib';
import * as acm from 'aws-cdk-lib/aws-certificatemanager';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import * as origins from 'aws-cdk-lib/aws-cloudfront-origins';
import type { Construct } from 'constructs';
import type { Config } from '../config.ts';

/**
 * CloudFront in front of the status paths: whoever wants to know may ask over plain http, GET and HEAD are kept as long as the answers say.
 *
 * @param originHost of the HTTP API
 */
export function statusDistribution(scope: Construct, config: Config, originHost: string, originToken: string): cloudfront.Distribution {
  const origin = new origins.HttpOrigin(originHost, {
    protocolPolicy: cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
    originSslProtocols: [cloudfront.OriginSslPolicy.TLS_V1_2],
    customHeaders: { 'x-origin-token': originToken },
  });
  const cachePolicy = new cloudfront.CachePolicy(scope, 'StatusCache', {
    comment: 'By path alone; answers say how long they keep',
    defaultTtl: Duration.seconds(0),
    minTtl: Duration.seconds(0),
    maxTtl: Duration.days(1),
  });
  const distribution = new cloudfront.Distribution(scope, 'Distribution', {
    comment: 'certctl: CRL, OCSP and CA certificates',
    ...(config.webAclArn !== undefined && { webAclId: config.webAclArn }),
    ...(config.domain && {
      domainNames: [`pki.${config.domain.name}`],
      certificate: acm.Certificate.fromCertificateArn(scope, 'PkiCertificate', config.domain.pkiCertificateArn),
      minimumProtocolVersion: cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
    }),
    defaultBehavior: {
      origin,
      // Signed content, and a client that checks the status of the server's own certificate would go in circles over https (RFC 5280 §8).
      viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.ALLOW_ALL,
      allowedMethods: cloudfront.AllowedMethods.ALLOW_ALL,
      cachedMethods: cloudfront.CachedMethods.CACHE_GET_HEAD,
      cachePolicy,
      originRequestPolicy: new cloudfront.OriginRequestPolicy(scope, 'WhoAsks', {
        comment: 'Who asks, for the rate limits; and the type of what they ask, which OCSP checks',
        headerBehavior: cloudfront.OriginRequestHeaderBehavior.allowList('CloudFront-Viewer-Address', 'Content-Type'),
      }),
      functionAssociations: [{ eventType: cloudfront.FunctionEventType.VIEWER_REQUEST, function: viewerRequest(scope) }],
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
function viewerRequest(scope: Construct): cloudfront.Function {
  return new cloudfront.Function(scope, 'ViewerRequest', {
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
