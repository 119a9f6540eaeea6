import https from 'node:https';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { request, startPlatform, type Platform } from '../platform.ts';
import { acmeClient } from './client.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

test('the directory names its mandatory URLs, all https under the base, and no newAuthz (RFC 8555 §7.1.1)', async () => {
  const answer = await request(platform, `${platform.url}/acme/profile/default/directory`);
  expect(answer.status).toBe(200);
  expect(answer.headers['cache-control']).toBe('public, max-age=60');
  expect(answer.headers['replay-nonce']).toBeUndefined();
  const { meta: _, ...urls } = answer.json();
  expect(Object.keys(urls).sort()).toEqual(['keyChange', 'newAccount', 'newNonce', 'newOrder', 'renewalInfo', 'revokeCert']);
  for (const url of Object.values(urls)) expect(url).toMatch(new RegExp(`^${platform.url}/acme/profile/default/[a-z-]+$`));
});

test('the shorthand directory emits the URLs of the default profile', async () => {
  const [short, long] = await Promise.all([
    request(platform, `${platform.url}/acme/directory`),
    request(platform, `${platform.url}/acme/profile/default/directory`),
  ]);
  expect(short.json()).toEqual(long.json());
});

test('the profile that trusts says that it requires an external account', async () => {
  const answer = await request(platform, `${platform.url}/acme/profile/internal/directory`);
  expect(answer.json()['meta']).toMatchObject({ externalAccountRequired: true });
});

test('newNonce answers HEAD with 200 and GET with 204, each with a fresh nonce that nobody stores (RFC 8555 §7.2)', async () => {
  const url = `${platform.url}/acme/profile/default/new-nonce`;
  const [head, get] = [await request(platform, url, { method: 'HEAD' }), await request(platform, url)];
  expect([head.status, get.status]).toEqual([200, 204]);
  for (const answer of [head, get]) {
    expect(answer.headers['replay-nonce']).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.headers['link']).toContain('rel="index"');
    expect(answer.body).toHaveLength(0);
  }
  expect(head.headers['replay-nonce']).not.toBe(get.headers['replay-nonce']);
});

test('directory, newNonce and CRL never touch PostgreSQL', async () => {
  const database = await platform.database();
  try {
    const began = (await database.query<{ now: Date }>('SELECT now()')).rows[0]!.now;
    for (let i = 0; i < 5; i++) {
      expect((await request(platform, `${platform.url}/acme/profile/default/directory`)).status).toBe(200);
      expect((await request(platform, `${platform.url}/acme/profile/default/new-nonce`, { method: 'HEAD' })).status).toBe(200);
      expect((await request(platform, `${platform.pkiUrl}/.well-known/pki/crl/issuing-1.crl`)).status).toBe(200);
    }
    // Connections may end meanwhile, for they have idled long enough; none of the two functions has said anything.
    const { rows } = await database.query(
      `SELECT query FROM pg_stat_activity WHERE usename = 'certctl_runtime' AND application_name IN ('acme', 'revocation') AND query_start > $1`,
      [began],
    );
    expect(rows).toEqual([]);
  } finally {
    await database.end();
  }
});

test('a spent nonce is refused with a fresh one, with which the same request succeeds (RFC 8555 §6.5)', async () => {
  const client = await acmeClient(platform);
  const spent = await client.nonce();
  const url = String(client.directory['newAccount']);
  expect((await client.post(url, {}, { header: { nonce: spent } })).status).toBe(201);
  const refused = await client.post(url, {}, { header: { nonce: spent } });
  expect(refused.status).toBe(400);
  expect(refused.json()['type']).toBe('urn:ietf:params:acme:error:badNonce');
  expect((await client.post(url, {}, { header: { nonce: refused.headers['replay-nonce'] } })).status).toBe(200);
});

test.each([
  ['missing', { without: ['nonce'] }],
  ['forged', { header: { nonce: 'AWkkAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' } }],
  ['not base64url', { header: { nonce: 'not a nonce!' } }],
])('a nonce that is %s is badNonce', async (_, overrides) => {
  const client = await acmeClient(platform);
  const answer = await client.post(String(client.directory['newAccount']), {}, overrides);
  expect(answer.json()['type']).toBe('urn:ietf:params:acme:error:badNonce');
  expect(answer.headers['replay-nonce']).toBeDefined();
});

test('of two simultaneous requests with one nonce exactly one succeeds', async () => {
  const client = await acmeClient(platform);
  const body = JSON.stringify(await client.jws(String(client.directory['newAccount']), {}));
  const answers = await Promise.all([1, 2].map(() => client.post(String(client.directory['newAccount']), {}, { body })));
  expect(answers.map((answer) => answer.status).sort()).toEqual([201, 400]);
});

test('an unknown profile and an unknown path are 404 malformed, a wrong method 405 with Allow', async () => {
  const unknown = await request(platform, `${platform.url}/acme/profile/nobody/directory`);
  expect([unknown.status, unknown.json()['type']]).toEqual([404, 'urn:ietf:params:acme:error:malformed']);
  expect((await request(platform, `${platform.url}/acme/profile/default/new-authz`)).status).toBe(404);
  for (const path of ['account/x', 'order/x', 'authz/x', 'challenge/x', 'cert/x']) {
    const get = await request(platform, `${platform.url}/acme/profile/default/${path}`);
    expect([path, get.status, get.headers['allow'], get.json()['type']]).toEqual([
      path,
      405,
      'POST',
      'urn:ietf:params:acme:error:malformed',
    ]);
    expect(get.headers['replay-nonce']).toBeDefined();
  }
});

test('directory and newNonce are read by POST-as-GET, too, with a nonce in the answer (RFC 8555 §§6.3, 6.5)', async () => {
  const client = await acmeClient(platform);
  await client.register();
  for (const path of ['/acme/profile/default', '/acme']) {
    const [plain, posted] = [
      await request(platform, `${platform.url}${path}/directory`),
      await client.post(`${platform.url}${path}/directory`),
    ];
    expect([posted.status, posted.json()]).toEqual([200, plain.json()]);
    expect([posted.headers['cache-control'], posted.headers['replay-nonce']]).toEqual(['no-store', expect.any(String)]);
  }
  const nonce = await client.post(String(client.directory['newNonce']));
  expect([nonce.status, nonce.text, nonce.headers['replay-nonce']]).toEqual([200, '', expect.any(String)]);
  const changing = await client.post(String(client.directory['newNonce']), {});
  expect([changing.status, changing.json()['type']]).toEqual([400, 'urn:ietf:params:acme:error:malformed']);
});

test('a request target in absolute form is the resource that its path names (RFC 9112 §3.2.2)', async () => {
  const url = `${platform.url}/acme/profile/default/directory`;
  const status = await new Promise((resolve, reject) => {
    https
      .get({ host: 'localhost', port: new URL(url).port, path: url, ca: platform.ca }, ({ statusCode }) => resolve(statusCode))
      .on('error', reject);
  });
  expect(status).toBe(200);
});

test('a browser may ask before it posts, and reads every header that ACME needs (Fetch §3.2)', async () => {
  const preflight = await request(platform, `${platform.url}/acme/profile/default/new-account`, {
    method: 'OPTIONS',
    headers: { origin: 'https://app.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
  });
  expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([204, '*']);
  expect([preflight.headers['access-control-allow-methods'], preflight.headers['allow']]).toEqual(['POST', 'POST']);
  expect(preflight.headers['access-control-allow-headers']).toBe('Content-Type');
  const refused = await request(platform, `${platform.url}/acme/profile/default/new-account`, { method: 'POST', body: '' });
  for (const answer of [preflight, refused]) {
    expect(answer.headers['access-control-expose-headers']).toBe(
      'Location, Link, Replay-Nonce, Retry-After, Cert-Not-Before, Cert-Not-After, RateLimit, RateLimit-Policy',
    );
  }
  expect((await request(platform, `${platform.url}/acme/profile/default/nothing`, { method: 'OPTIONS' })).status).toBe(404);
});

test('every answer but the directory has exactly one nonce, which serves the next request, an index link and no-store', async () => {
  const client = await acmeClient(platform);
  const answers = [
    await client.register(),
    await client.post(client.kid),
    await client.post(client.kid, undefined, { contentType: 'text/plain' }),
    await client.post(`${client.kid}x`),
    await request(platform, `${platform.url}/acme/profile/default/new-account`),
    await request(platform, `${platform.url}/acme/profile/nobody/new-nonce`),
  ];
  for (const answer of answers) {
    expect(answer.headers['replay-nonce']).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(answer.headers['link']).toMatch(/<https:[^>]+\/directory>;rel="index"/);
    expect(answer.headers['cache-control']).toBe('no-store');
    const next = await client.post(client.kid, undefined, { header: { nonce: answer.headers['replay-nonce'] } });
    expect(next.status).toBe(200);
  }
});

test.each(['%00', '%F0%9F%98%80', '%0D%0ASet-Cookie:%20a=b', '%22%3E,%3Chttps:%2F%2Felsewhere.example%3E;rel=%22index%22'])(
  'a profile called %s is unknown like any other, and gets into no header field',
  async (id) => {
    const answer = await request(platform, `${platform.url}/acme/profile/${id}/directory`);
    expect([answer.status, answer.json()['type']]).toEqual([404, 'urn:ietf:params:acme:error:malformed']);
    expect(answer.headers).not.toHaveProperty('set-cookie');
    expect(answer.headers['link']).toBe(`<${platform.url}/acme/directory>;rel="index"`);
  },
);

test('a client that came by the shorthand goes on with its old account URL', async () => {
  const client = await acmeClient(platform);
  await client.register();
  const short = client.kid.replace('/profile/default/', '/');
  const answer = await client.post(
    String(client.directory['newOrder']).replace('/profile/default/', '/'),
    {
      identifiers: [{ type: 'dns', value: 'short.example.com' }],
    },
    { header: { kid: short } },
  );
  expect([answer.status, answer.headers['location']]).toEqual([201, expect.stringContaining('/acme/profile/default/order/')]);
});
