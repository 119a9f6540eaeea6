import fc from 'fast-check';
import { beforeAll, expect, test, vi } from 'vitest';
import { decodeOcspGetPath } from '#domain/revocation/ocsp-request.ts';
import { viewerFunction } from '../deploy/edge.ts';
import { synthesize, type Synthesized } from './synthesize.ts';

vi.setConfig({ testTimeout: 60_000 });
let made: Synthesized;
let viewer: (method: string, uri: string) => { readonly uri?: string; readonly statusCode?: number };
beforeAll(async () => {
  made = await synthesize({});
  const handler = viewerFunction(made.templates.edge.toJSON() as Parameters<typeof viewerFunction>[0]);
  viewer = (method, uri) => handler({ request: { method, uri } });
}, 120_000);

const ocsp = '/.well-known/pki/ocsp/issuing-1/';

test('an OCSP request by GET reaches the function whole, however its base64 was escaped (RFC 6960 §A.1)', () => {
  const escapes: readonly ((text: string) => string)[] = [
    encodeURIComponent,
    (text) => text,
    (text) => encodeURIComponent(text).replace(/%[0-9A-F]{2}/g, (one) => one.toLowerCase()),
    (text) => text.replaceAll('+', '%20'),
    (text) => text.replace(/=+$/, ''),
  ];
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.constantFrom(...escapes), (bytes, escape) => {
      const { uri = '' } = viewer('GET', ocsp + escape(Buffer.from(bytes).toString('base64')));
      // What a gateway could decode, cut or split is gone.
      expect(uri.slice(ocsp.length)).toMatch(/^[\w-]+$/);
      expect(Buffer.from(decodeOcspGetPath(uri.slice(ocsp.length)))).toEqual(Buffer.from(bytes));
    }),
  );
});

test('what is no status path never reaches the origin, and other paths and methods are left as they are', () => {
  for (const uri of ['/', '/acme/new-order', '/api/v1/profiles', '/.well-known/est/cacerts', '/x/.well-known/pki/crl/a.crl'])
    expect([uri, viewer('GET', uri).statusCode]).toEqual([uri, 404]);
  for (const [method, uri] of [
    ['GET', '/.well-known/pki/crl/issuing-1.crl'],
    ['HEAD', '/.well-known/pki/ca/issuing-1.cer'],
    ['POST', '/.well-known/pki/ocsp/issuing-1'],
    ['POST', `${ocsp}a+b/c=`],
  ] as const)
    expect(viewer(method, uri)).toEqual({ method, uri });
});

test('errors are never kept, answers as long as they say, and only by GET and HEAD', () => {
  made.templates.edge.hasResourceProperties('AWS::CloudFront::CachePolicy', {
    CachePolicyConfig: { MinTTL: 0, DefaultTTL: 0, MaxTTL: 86_400 },
  });
  const [distribution] = made.ofType('AWS::CloudFront::Distribution');
  const config = distribution?.Properties['DistributionConfig'] as {
    CustomErrorResponses: { ErrorCode: number; ErrorCachingMinTTL: number }[];
    DefaultCacheBehavior: object;
  };
  const codes = config.CustomErrorResponses.map(({ ErrorCode }) => ErrorCode);
  expect(codes.sort((a, b) => a - b)).toEqual([400, 403, 404, 405, 414, 500, 501, 502, 503, 504]);
  for (const { ErrorCode, ErrorCachingMinTTL } of config.CustomErrorResponses)
    expect([ErrorCode, ErrorCachingMinTTL]).toEqual([ErrorCode, 0]);
  expect(config.DefaultCacheBehavior).toMatchObject({ CachedMethods: ['GET', 'HEAD'], ViewerProtocolPolicy: 'allow-all' });
});
