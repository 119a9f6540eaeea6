import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import { expect, test } from 'vitest';
import { httpFunction, type HttpRequest } from './http.ts';

const session = 'arn:aws:sts::111122223333:assumed-role/deploy/build-7';
const behind = 'ANY /iam/{proxy+}';

function event(routeKey: string, rawPath: string, iam: object | null | undefined, headers: Record<string, string> = {}): object {
  return {
    version: '2.0',
    routeKey,
    rawPath,
    rawQueryString: '',
    headers,
    isBase64Encoded: false,
    requestContext: {
      http: { method: 'GET', path: rawPath, protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: '' },
      requestId: 'r-1',
      routeKey,
      stage: '$default',
      ...(iam !== undefined && { authorizer: { iam } }),
    },
  };
}

/** The request that a function makes of an event. */
async function seen(asked: object): Promise<HttpRequest> {
  let request: HttpRequest | undefined;
  const handler = httpFunction(
    async (one) => {
      request = one;
      return { status: 200 };
    },
    { maxBodyBytes: 100, iamRoute: { key: behind, prefix: '/iam' }, refuse: async () => ({ status: 500 }) },
  );
  await handler(asked as APIGatewayProxyEventV2, { getRemainingTimeInMillis: () => 10_000 } as Context);
  if (request === undefined) throw new Error('the function saw nothing');
  return request;
}

test('behind the authorizer the caller is whom it proved, and the path is that of every other caller', async () => {
  expect(await seen(event(behind, '/iam/api/v1/jobs', { userArn: session }))).toMatchObject({
    path: '/api/v1/jobs',
    iam: { principal: { arn: 'arn:aws:iam::111122223333:role/deploy', session: 'build-7' } },
  });
});

test.each([
  ['a federated user', { userArn: 'arn:aws:sts::111122223333:federated-user/ada' }],
  ['the root of the account', { userArn: 'arn:aws:iam::111122223333:root' }],
  ['no identity', {}],
  ['nothing of an authorizer', undefined],
  ['an authorizer that says null', null],
])('behind the authorizer %s is nobody, and stays nobody with a token', async (_, iam) => {
  const request = await seen(event(behind, '/iam/api/v1/jobs', iam, { authorization: `Bearer ${'x'.repeat(40)}` }));
  expect(request.iam).toEqual({ principal: undefined });
});

test.each([
  ['another route', event('ANY /api/{proxy+}', '/api/v1/jobs', { userArn: session })],
  ['another route and the path of this one', event('ANY /api/{proxy+}', '/iam/api/v1/jobs', { userArn: session })],
  ['this route and another path', event(behind, '/api/v1/jobs', { userArn: session })],
  ['headers', event('ANY /api/{proxy+}', '/api/v1/jobs', undefined, { 'x-amzn-iam-user-arn': session, 'x-amz-security-token': session })],
  [
    'a load balancer',
    {
      requestContext: { elb: { targetGroupArn: 'arn' }, authorizer: { iam: { userArn: session } } },
      routeKey: behind,
      rawPath: '/iam/api/v1/jobs',
      httpMethod: 'GET',
      path: '/iam/api/v1/jobs',
      headers: {},
      body: null,
      isBase64Encoded: false,
    },
  ],
])('an identity that comes by %s is no identity', async (_, asked) => expect((await seen(asked)).iam).toBeUndefined());
