import type { ALBEvent, Context } from 'aws-lambda';
import { expect, test } from 'vitest';
import { httpFunction, type HttpRequest } from './http.ts';

const event = (changes: Partial<ALBEvent>): ALBEvent => ({
  requestContext: { elb: { targetGroupArn: 'arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/t/0' } },
  httpMethod: 'POST',
  path: '/.well-known/pki/ocsp/issuing-1/MEI%2FAA%3D%3D',
  queryStringParameters: { deep: '1', name: 'a%20b' },
  headers: { 'x-forwarded-for': '10.9.9.9, 10.1.2.3', 'x-amzn-trace-id': 'Root=1-2-3', 'content-type': 'application/ocsp-request' },
  body: Buffer.from([48, 0]).toString('base64'),
  isBase64Encoded: true,
  ...changes,
});

/** What a function makes of an event. */
async function served(changes: Partial<ALBEvent>): Promise<{ request: HttpRequest | undefined; answer: unknown }> {
  let request: HttpRequest | undefined;
  const handler = httpFunction(
    async (seen) => {
      request = seen;
      return { status: 200, headers: { 'content-type': 'text/plain' }, body: Buffer.from('yes') };
    },
    { maxBodyBytes: 100, refuse: async () => ({ status: 413 }) },
  );
  const answer = await handler(event(changes) as never, { getRemainingTimeInMillis: () => 10_000 } as Context);
  return { request, answer };
}

test('given a load balancer’s event, a function sees the same request that API Gateway would show it', async () => {
  const { request, answer } = await served({});
  expect(request).toMatchObject({
    method: 'POST',
    path: '/.well-known/pki/ocsp/issuing-1/MEI/AA==',
    query: 'deep=1&name=a%20b',
    requestId: 'Root=1-2-3',
    body: Buffer.from([48, 0]),
  });
  expect(answer).toMatchObject({ statusCode: 200, isBase64Encoded: true, body: Buffer.from('yes').toString('base64') });
});

test('given a client that claims another address, the one that the load balancer saw counts', async () => {
  expect((await served({})).request?.sourceIp).toBe('10.1.2.3');
  expect((await served({ headers: { 'x-forwarded-for': '10.1.2.3' } })).request?.sourceIp).toBe('10.1.2.3');
});

test('given a path that is not valid percent-encoding, it stays as it came; a body beyond the limit is refused', async () => {
  expect((await served({ path: '/acme/%zz' })).request?.path).toBe('/acme/%zz');
  expect((await served({ body: 'x'.repeat(101), isBase64Encoded: false })).answer).toMatchObject({ statusCode: 413 });
});
