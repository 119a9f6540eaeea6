import { afterAll, beforeAll, expect, test } from 'vitest';
import { limits } from '#domain/limit/limits.ts';
import { acmeClient, freshName } from '../acme/client.ts';
import { request, startPlatform, type Answer, type Platform } from '../platform.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform({
    args: ['--copies', '2'],
    env: {
      LIMIT_API_REQUESTS_PER_SECOND_PER_PRINCIPAL: '20',
      LIMIT_FAILED_AUTHENTICATIONS_PER_HOUR: String(limits['api-failed-authentication'].count),
      LIMIT_OCSP_REQUESTS_PER_MINUTE: '50',
      LIMIT_EAB_FAILURES_PER_HOUR: '3',
      LIMIT_NEW_ORDERS_PER_HOUR: '8',
    },
  });
});
afterAll(() => platform.stop());

const profiles = (token: string, headers: Record<string, string> = {}): Promise<Answer> =>
  request(platform, `${platform.url}/api/v1/profiles`, { headers: { authorization: `Bearer ${token}`, ...headers } });
const field = (answer: Answer, name: string): string => answer.headers[name] ?? '';
const spoofed = (i: number): Record<string, string> => ({
  'x-forwarded-for': `198.51.100.${i}`,
  'x-actor': `user-${i}`,
  forwarded: `for=198.51.100.${i}`,
  'cloudfront-viewer-address': `198.51.100.${i}:4711`,
  'x-origin-token': 'guessed',
});

test('case 12, ACME: what is left falls with every order and never below 0, and the refusal is a problem with the same fields', async () => {
  const client = await acmeClient(platform);
  await client.register();
  const url = String(client.directory['newOrder']);
  const remaining: number[] = [];
  let last: Answer;
  do {
    last = await client.post(url, { identifiers: [{ type: 'dns', value: freshName() }] });
    expect(field(last, 'ratelimit-policy')).toContain('"acme-new-order";q=8;w=3600');
    remaining.push(Number(/"acme-new-order";r=(\d+);t=\d+/.exec(field(last, 'ratelimit'))?.[1]));
  } while (last.status === 201 && remaining.length < 20);
  expect(remaining).toEqual([7, 6, 5, 4, 3, 2, 1, 0, 0]);
  expect(last.json()).toMatchObject({ type: 'urn:ietf:params:acme:error:rateLimited', status: 429 });
  expect(last.json()['detail']).toMatch(
    /^the limit of orders made is reached, 8 in 3600 seconds for each account; try again in \d+ seconds$/,
  );
  expect(last.headers['content-type']).toBe('application/problem+json');
  expect(Number(last.headers['retry-after'])).toBeGreaterThan(0);
  // The most restrictive first.
  expect(field(last, 'ratelimit')).toMatch(/^"acme-new-order";r=0;t=\d+, "acme-address";/);
  expect(field(last, 'access-control-expose-headers')).toContain('RateLimit');
});

test('case 12, JSON: answers tell what is left, a refusal how long to wait', async () => {
  const first = await profiles(platform.token);
  expect(first.status).toBe(200);
  expect(field(first, 'ratelimit-policy')).toMatch(/"api-principal";q=40;w=2/);
  const answers = await Promise.all(Array.from({ length: 120 }, () => profiles(platform.token)));
  const refused = answers.filter((answer) => answer.status === 429);
  expect(refused.length).toBeGreaterThan(0);
  for (const answer of refused) {
    const seconds = Number(answer.headers['retry-after']);
    expect(answer.json()).toMatchObject({ error: 'rate_limited', retry_after_seconds: seconds, status: 429 });
    expect(seconds).toBeGreaterThanOrEqual(1);
    expect(answer.json()['request_id']).toMatch(/^[0-9a-f-]{36}$/);
  }
});

test('case 9, failed authentication: ten wrong tokens, then also the right one is refused; no header tells how many are left', async () => {
  const other = await startPlatform({ env: { LIMIT_FAILED_AUTHENTICATIONS_PER_HOUR: '10' } });
  const ask = (token: string): Promise<Answer> =>
    request(other, `${other.url}/api/v1/profiles`, { headers: { authorization: `Bearer ${token}` } });
  try {
    for (let i = 0; i < 100; i++) expect((await ask(other.token)).status).toBe(200);
    const guesses = await Promise.all(Array.from({ length: 20 }, (_, i) => ask(`wrong-token-number-${i}`)));
    const statuses = guesses.map((answer) => answer.status).sort();
    expect(statuses).toEqual([...Array<number>(10).fill(401), ...Array<number>(10).fill(429)]);
    const right = await ask(other.token);
    expect(right.status).toBe(429);
    expect(Number(right.headers['retry-after'])).toBeGreaterThan(3000);
    for (const answer of [...guesses, right]) expect(field(answer, 'ratelimit')).not.toContain('failed');
    // Who sends no token guesses nothing.
    expect((await request(other, `${other.url}/api/v1/profiles`)).status).toBe(401);
  } finally {
    await other.stop();
  }
});

test('case 9, a hundred right requests at once are no guesses', async () => {
  const other = await startPlatform({ args: ['--copies', '2'], env: { LIMIT_FAILED_AUTHENTICATIONS_PER_HOUR: '10' } });
  try {
    const answers = await Promise.all(
      Array.from({ length: 100 }, () =>
        request(other, `${other.url}/api/v1/profiles`, { headers: { authorization: `Bearer ${other.token}` } }),
      ),
    );
    expect(answers.filter((answer) => answer.status !== 200)).toEqual([]);
  } finally {
    await other.stop();
  }
});

test('case 9, external account bindings: a wrong one is counted before it is looked at', async () => {
  const register = async (): Promise<number> => {
    const client = await acmeClient(platform, { profile: 'internal' });
    const binding = { protected: 'e30', payload: 'e30', signature: 'AA' };
    return (await client.register({ externalAccountBinding: binding })).status;
  };
  const statuses = await Promise.all(Array.from({ length: 8 }, register));
  expect(statuses.filter((status) => status === 429)).toHaveLength(5);
});

test('case 8, no header that a caller can set gives it a fresh bucket', async () => {
  const other = await startPlatform({
    args: ['--copies', '2'],
    env: { LIMIT_API_REQUESTS_PER_SECOND_PER_ADDRESS: '5', LIMIT_OCSP_REQUESTS_PER_MINUTE: '30' },
  });
  try {
    const began = performance.now();
    const health = await Promise.all(Array.from({ length: 60 }, (_, i) => request(other, `${other.url}/health`, { headers: spoofed(i) })));
    const seconds = (performance.now() - began) / 1000;
    const admitted = health.filter((answer) => answer.status === 200).length;
    expect(admitted).toBeLessThanOrEqual(10 + 5 * Math.ceil(seconds + 1));
    const ocsp = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        request(other, `${other.pkiUrl}/.well-known/pki/ocsp/issuing-1/serial/01`, { headers: spoofed(i) }),
      ),
    );
    expect(ocsp.filter((answer) => !isTryLater(answer)).length).toBeLessThanOrEqual(30);
  } finally {
    await other.stop();
  }
});

const isTryLater = (answer: Answer): boolean => answer.body.equals(Buffer.from('30030a0103', 'hex'));

test('case 12, OCSP: more than an address may ask is tryLater, with HTTP 200, not to be stored', async () => {
  const url = `${platform.pkiUrl}/.well-known/pki/ocsp/issuing-1/serial/01`;
  const answers = await Promise.all(Array.from({ length: 80 }, () => request(platform, url)));
  const refused = answers.filter(isTryLater);
  expect(answers.length - refused.length).toBeLessThanOrEqual(50);
  expect(refused.length).toBeGreaterThanOrEqual(30);
  for (const answer of refused) {
    expect([answer.status, answer.headers['content-type'], answer.headers['cache-control']]).toEqual([
      200,
      'application/ocsp-response',
      'no-store',
    ]);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(answer.headers['ratelimit']).toBeUndefined();
  }
  // CRLs are not questions.
  expect((await request(platform, `${platform.pkiUrl}/.well-known/pki/crl/issuing-1.crl`)).status).toBe(200);
});
