import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { childrenOf } from '../process-tree.ts';
import { request, startPlatform, until, type Platform } from '../platform.ts';
import { acmeClient, type AcmeClient } from './client.ts';

let platform: Platform;
let client: AcmeClient;
// Each test has a database of its own to hurt.
beforeEach(async () => {
  platform = await startPlatform();
  client = await acmeClient(platform);
  await client.register();
});
afterEach(() => platform.stop());

const order = (): ReturnType<AcmeClient['post']> =>
  client.post(String(client.directory['newOrder']), { identifiers: [{ type: 'dns', value: 'a.example.com' }] });

test('a database that is there but silent is a 503 problem, not a hang', { timeout: 120_000 }, async () => {
  process.kill(platform.instance.postgres, 'SIGSTOP');
  const children = childrenOf(platform.instance.postgres);
  for (const pid of children) process.kill(pid, 'SIGSTOP');
  try {
    const answer = await order();
    expect([answer.status, answer.headers['content-type'], answer.json()['type']]).toEqual([
      503,
      'application/problem+json',
      'urn:ietf:params:acme:error:serverInternal',
    ]);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  } finally {
    for (const pid of [...children, platform.instance.postgres]) if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGCONT');
  }
  await until('it recovers', async () => ((await order()).status === 201 ? true : undefined));
});

test('with the database gone, ACME says 503, OCSP tryLater, the API a problem, and what needs no database still answers', async () => {
  for (const pid of [platform.instance.postgres, ...childrenOf(platform.instance.postgres)]) process.kill(pid, 'SIGKILL');
  await until('it is gone', () => !existsSync(`/proc/${platform.instance.postgres}`) || undefined);
  const answer = await order();
  expect([answer.status, answer.headers['content-type'], answer.json()['type']]).toEqual([
    503,
    'application/problem+json',
    'urn:ietf:params:acme:error:serverInternal',
  ]);
  expect(answer.text).not.toMatch(/ECONN|ENOENT|\/tmp|socket/i);
  const ocsp = await request(platform, `${platform.pkiUrl}/.well-known/pki/ocsp/issuing-1/serial/0123456789abcdef`);
  expect([ocsp.status, ocsp.body.toString('hex')]).toEqual([200, '30030a0103']);
  const api = await request(platform, `${platform.url}/api/v1/profiles`, { headers: { authorization: `Bearer ${platform.token}` } });
  expect([api.status, api.headers['content-type']]).toEqual([503, 'application/problem+json']);
  const ready = await request(platform, `${platform.url}/ready?deep=1`);
  expect([ready.status, (ready.json()['database'] as { state: string }).state]).toEqual([503, 'down']);
  for (const url of [
    `${platform.url}/health`,
    `${platform.url}/acme/profile/default/directory`,
    `${platform.pkiUrl}/.well-known/pki/crl/issuing-1.crl`,
  ]) {
    expect([url, (await request(platform, url)).status]).toEqual([url, 200]);
  }
});
