import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeCsr } from '../acme-conformance/certification-request.ts';
import { api, startPlatform, type Platform } from '../platform.ts';
import { acmeClient, bind, freshName, type AcmeClient } from './client.ts';

let platform: Platform;
let client: AcmeClient;
let newOrder: string;
beforeAll(async () => {
  platform = await startPlatform();
  client = await acmeClient(platform);
  await client.register();
  newOrder = String(client.directory['newOrder']);
});
afterAll(() => platform.stop());

const typeOf = (answer: { json(): Record<string, unknown> }): string =>
  String(answer.json()['type']).replace('urn:ietf:params:acme:error:', '');
/** What would finalize an order that is ready. */
const csrOf = (order: Record<string, unknown>): object => ({
  csr: makeCsr((order['identifiers'] as { value: string }[]).map(({ value }) => value)).csr.toString('base64url'),
});
const dns = (...values: string[]): object => ({ identifiers: values.map((value) => ({ type: 'dns', value })) });

test('a challenge profile makes a pending order with an authorization per name, in their order (RFC 8555 §7.4)', async () => {
  const answer = await client.post(newOrder, dns('b.example.com', 'a.example.com'));
  expect(answer.status).toBe(201);
  expect(answer.headers['location']).toMatch(new RegExp(`^${platform.url}/acme/profile/default/order/ord-[0-9a-f]{32}$`));
  const order = answer.json() as { status: string; authorizations: string[]; expires: string; finalize: string };
  expect(order.status).toBe('pending');
  expect(order.expires).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const names = [];
  for (const url of order.authorizations) names.push((await client.post(url)).json()['identifier']);
  expect(names).toEqual([
    { type: 'dns', value: 'b.example.com' },
    { type: 'dns', value: 'a.example.com' },
  ]);
});

test('names are lower-cased and repetitions collapse', async () => {
  const order = (await client.post(newOrder, dns('EXAMPLE.com', 'example.COM', 'example.com'))).json();
  expect(order['identifiers']).toEqual([{ type: 'dns', value: 'example.com' }]);
});

test('a member that is null is one that is not there, as serializers write what has not been set', async () => {
  const unset = { notBefore: null, notAfter: null, profile: null, replaces: null, 'auto-renewal': null };
  const identifiers = [{ type: 'dns', value: 'null.example.com', ancestorDomain: null }];
  const answer = await client.post(newOrder, { identifiers, ...unset });
  expect(answer.status, answer.text).toBe(201);
  const other = await acmeClient(platform);
  const registered = await other.register({ contact: null, onlyReturnExisting: null, externalAccountBinding: null });
  expect(registered.status, registered.text).toBe(201);
});

test('the time that Go writes where none was set is none, as step sends it with each order', async () => {
  const unset = '0001-01-01T00:00:00Z';
  const answer = await client.post(newOrder, { ...dns('unset.example.com'), notBefore: unset, notAfter: unset });
  expect([answer.status, answer.text]).toEqual([201, expect.not.stringContaining('notBefore')]);
  const year2 = await client.post(newOrder, { ...dns('unset.example.com'), notBefore: '0002-01-01T00:00:00Z' });
  expect([year2.status, year2.text]).toEqual([400, expect.stringContaining('within a day of now')]);
});

test('a wildcard has an authorization for its base, to be proven by dns-01 only (RFC 8555 §7.1.3)', async () => {
  const order = (await client.post(newOrder, dns('*.example.com', 'example.com'))).json() as { authorizations: string[] };
  const [wild, plain] = await Promise.all(order.authorizations.map(async (url) => (await client.post(url)).json()));
  expect(wild).toMatchObject({ identifier: { type: 'dns', value: 'example.com' }, wildcard: true });
  expect((wild!['challenges'] as { type: string }[]).map((challenge) => challenge.type)).toEqual(['dns-01']);
  expect(plain!['wildcard']).toBeUndefined();
  expect((plain!['challenges'] as { type: string }[]).map((challenge) => challenge.type)).toEqual(['http-01', 'tls-alpn-01', 'dns-01']);
  const tokens = [wild, plain].flatMap((authorization) =>
    (authorization!['challenges'] as { token: string }[]).map((challenge) => challenge.token),
  );
  expect(new Set(tokens).size).toBe(4);
  for (const token of tokens) expect(Buffer.from(token, 'base64url').length).toBeGreaterThanOrEqual(16);
});

test.each([
  'a b', 'x.com:80', 'x.com/y', '127.0.0.1', '*.*.x.com', 'a.*.com', `${'a'.repeat(64)}.com`, 'x.com.', '', '.x.com', '-a.com', 'a-.com', 'a_b.com',
  'user@x.com', 'localhost', 'x.onion', 'bücher.example', 'xn--a.example', 'ab--cd.com', '[::1]', '0x7f.1', '*.', '*', `${'a.'.repeat(127)}com`, 'internal:9200/x?',
])('the name %j is refused, and nothing is stored', async (value) => {
  const answer = await client.post(newOrder, dns(value));
  expect([answer.status, typeOf(answer)]).toEqual([400, 'rejectedIdentifier']);
}); // prettier-ignore

test('of three names two bad ones are two subproblems, and nothing is stored', async () => {
  const database = await platform.database();
  try {
    const count = async (): Promise<string> => (await database.query<{ n: string }>('SELECT count(*) AS n FROM acme_orders')).rows[0]!.n;
    const before = await count();
    const answer = await client.post(newOrder, {
      identifiers: [
        { type: 'dns', value: 'bad name' },
        { type: 'dns', value: 'good.example.com' },
        { type: 'tel', value: '1' },
      ],
    });
    expect(answer.status).toBe(400);
    const subproblems = answer.json()['subproblems'] as { type: string; identifier: { value: string } }[];
    expect(subproblems.map((problem) => [problem.type.split(':').at(-1), problem.identifier.value])).toEqual([
      ['rejectedIdentifier', 'bad name'],
      ['unsupportedIdentifier', '1'],
    ]);
    expect(await count()).toBe(before);
  } finally {
    await database.end();
  }
});

test('the refusal itself says which names and why, for clients show nothing else of it, and cannot steer their terminal', async () => {
  const detailOf = async (...names: string[]): Promise<unknown> => (await client.post(newOrder, dns(...names))).json()['detail'];
  expect(await detailOf('good.example.com', 'a_b.com')).toMatch(/^a_b\.com: not a dns name/);
  expect(await detailOf('x.onion', 'good.example.com', 'localhost')).toBe(
    'x.onion: onion names are not issued here; localhost: a name needs at least two labels',
  );
  expect(await detailOf('a.onion', 'b.onion', 'c.onion', 'd.onion', 'e.onion')).toMatch(/^a\.onion: .*; c\.onion: [^;]*; and 2 more$/);
  expect(await detailOf(`\u001b[2J\n${'a'.repeat(200)}`)).toMatch(/^\?\[2J\?a{75}…: /);
});

test.each([
  ['no identifiers', {}],
  ['an empty list', { identifiers: [] }],
  ['101 names', dns(...Array.from({ length: 101 }, (_, i) => `n${i}.example.com`))],
  ['a name that is no object', { identifiers: ['x'] }],
  ['a notBefore that is no time', { ...dns('x.example.com'), notBefore: 'tomorrow' }],
  ['a notAfter beyond the profile', { ...dns('x.example.com'), notAfter: '2099-01-01T00:00:00Z' }],
  ['a notAfter in the past', { ...dns('x.example.com'), notAfter: '2020-01-01T00:00:00Z' }],
])('an order with %s is malformed', async (_, payload) => {
  const answer = await client.post(newOrder, payload);
  expect([answer.status, typeOf(answer)]).toEqual([400, 'malformed']);
});

test('a type that only looks like dns is unsupported', async () => {
  expect(typeOf(await client.post(newOrder, { identifiers: [{ type: 'DNS', value: 'x.example.com' }] }))).toBe('unsupportedIdentifier');
});

test('what another account owns and what nobody owns are the same 404', async () => {
  const other = await acmeClient(platform);
  await other.register();
  const { url, body } = await client.order(freshName());
  const [authorization] = body['authorizations'] as string[];
  const challenge = ((await client.post(authorization!)).json()['challenges'] as { url: string }[])[0]!.url;
  for (const owned of [url, authorization!, challenge]) {
    const unknown = owned.replace(/ord-[0-9a-f]{32}/, `ord-${'0'.repeat(32)}`);
    const [foreign, missing] = [await other.post(owned), await other.post(unknown)];
    expect([foreign.status, foreign.text]).toEqual([404, missing.text]);
  }
});

test("an account lists its orders, newest first, and nobody else's", async () => {
  const mine = await acmeClient(platform);
  await mine.register();
  const urls = [];
  for (let i = 0; i < 3; i++) urls.unshift((await mine.order(freshName())).url);
  const account = (await mine.post(mine.kid)).json();
  expect((await mine.post(String(account['orders']))).json()['orders']).toEqual(urls);
  expect((await client.post(String(account['orders']))).status).toBe(403);
});

test('a long list of orders comes in pages that link the next, each order once (RFC 8555 §7.1.2.1)', async () => {
  const mine = await acmeClient(platform);
  await mine.register();
  const { url } = await mine.order(freshName());
  const database = await platform.database();
  try {
    await database.query(
      `INSERT INTO acme_orders (id, account_id, profile_id, auth_mode, status, identifiers, expires_at)
       SELECT 'ord-' || lpad(to_hex(n), 32, '0'), o.account_id, o.profile_id, o.auth_mode, 'invalid', o.identifiers, o.expires_at
       FROM acme_orders o, generate_series(1, 230) n WHERE o.id = $1`,
      [url.split('/').at(-1)],
    );
  } finally {
    await database.end();
  }
  const sizes = [];
  const seen = new Set<string>();
  let next: string | undefined = String((await mine.post(mine.kid)).json()['orders']);
  while (next !== undefined) {
    const page = await mine.post(next);
    const orders = page.json()['orders'] as string[];
    sizes.push(orders.length);
    for (const order of orders) seen.add(order);
    next = /<([^>]+)>;rel="next"/.exec(page.headers['link'] ?? '')?.[1];
  }
  expect([sizes, seen.size]).toEqual([[100, 100, 31], 231]);
});

test('a profile that trusts makes a ready order with valid authorizations', async () => {
  const key = (await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal' })).json() as { key_id: string; hmac_key: string };
  const trusted = await acmeClient(platform, { profile: 'internal' });
  await trusted.register({ externalAccountBinding: bind(trusted, key) });
  const { body } = await trusted.order('printer');
  expect(body['status']).toBe('ready');
  const authorization = (await trusted.post((body['authorizations'] as string[])[0]!)).json();
  expect(authorization['status']).toBe('valid');
  expect((authorization['challenges'] as { status: string }[]).map((challenge) => challenge.status)).toEqual(['valid']);
});

test('a policy of names binds trust too, and its change holds from the next order on', async () => {
  const made = await api(platform, 'POST', '/api/v1/profiles', {
    id: 'corp',
    name: 'Corp',
    acme_auth_mode: 'trust_authenticated',
    allowed_names: ['.corp.example', '*.wild.example'],
    acknowledge_trust: true,
  });
  expect(made.status).toBe(201);
  const corp = await acmeClient(platform, { profile: 'corp' });
  await corp.register();
  const url = String(corp.directory['newOrder']);
  expect((await corp.post(url, dns('a.corp.example'))).json()['status']).toBe('ready');
  expect((await corp.post(url, dns('*.wild.example'))).status).toBe(201);
  expect(typeOf(await corp.post(url, dns('wild.example')))).toBe('rejectedIdentifier');
  expect(typeOf(await corp.post(url, dns('a.example')))).toBe('rejectedIdentifier');
  const { acme_directory: _d, id: _i, version: _v, ...trusting } = made.json();
  const current = { ...trusting, acme_auth_mode: 'challenge' };
  const changed = await api(platform, 'PUT', '/api/v1/profiles/corp', current, { 'if-match': '"v1"' });
  expect(changed.status).toBe(200);
  expect((await corp.post(url, dns('a.corp.example'))).json()['status']).toBe('pending');
  await api(platform, 'PUT', '/api/v1/profiles/corp', { ...current, enabled: false }, { 'if-match': '"v2"' });
  expect((await corp.post(url, dns('a.corp.example'))).status).toBe(404);
});

test('a deactivated authorization cannot be used, and its order is invalid and never finalized (RFC 8555 §7.5.2)', async () => {
  const { url, body } = await client.order(freshName());
  const [authorization] = body['authorizations'] as string[];
  expect(typeOf(await client.post(authorization!, { status: 'valid' }))).toBe('malformed');
  expect((await client.post(authorization!, { status: 'deactivated' })).json()['status']).toBe('deactivated');
  expect((await client.post(url)).json()['status']).toBe('invalid');
  const finalized = await client.post(String(body['finalize']), csrOf(body));
  expect([finalized.status, typeOf(finalized)]).toEqual([403, 'orderNotReady']);
});

test('an order past its expiry is invalid before any sweep has run', async () => {
  const { url, body } = await client.order(freshName());
  const database = await platform.database();
  try {
    await database.query(`UPDATE acme_orders SET expires_at = now() - interval '1 second' WHERE id = $1`, [url.split('/').at(-1)]);
  } finally {
    await database.end();
  }
  expect((await client.post(url)).json()).toMatchObject({ status: 'invalid' });
  const finalized = await client.post(String(body['finalize']), csrOf(body));
  expect([finalized.status, typeOf(finalized)]).toEqual([403, 'orderNotReady']);
});
