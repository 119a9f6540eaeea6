import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPlatform, type Answer, type Platform } from '../platform.ts';
import { acmeClient, freshName, type AcmeClient } from './client.ts';

let platform: Platform;
beforeAll(async () => {
  // Two processes, so that what one remembers of an account may be out of date.
  platform = await startPlatform({ args: ['--copies', '2'] });
});
afterAll(() => platform.stop());

const typeOf = (answer: Answer): string => String(answer.json()['type']).replace('urn:ietf:params:acme:error:', '');
const b64u = (data: string | Uint8Array): string => Buffer.from(data).toString('base64url');

interface Pair {
  readonly key: KeyObject;
  readonly jwk: Readonly<Record<string, unknown>>;
}
function newPair(): Pair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { crv, kty, x, y } = publicKey.export({ format: 'jwk' });
  return { key: privateKey, jwk: { crv, kty, x, y } };
}

interface Inner {
  readonly header?: object;
  readonly payload?: object;
  readonly signer?: KeyObject;
}

/** The inner request of RFC 8555 §7.3.5, or nearly. */
function inner(client: AcmeClient, pair: Pair, overrides: Inner = {}): object {
  const head = b64u(JSON.stringify({ alg: 'ES256', jwk: pair.jwk, url: client.directory['keyChange'], ...overrides.header }));
  const body = b64u(JSON.stringify({ account: client.kid, oldKey: client.jwk, ...overrides.payload }));
  const signature = sign('sha256', Buffer.from(`${head}.${body}`), { key: overrides.signer ?? pair.key, dsaEncoding: 'ieee-p1363' });
  return { protected: head, payload: body, signature: b64u(signature) };
}

const change = (client: AcmeClient, pair: Pair, overrides?: Inner): Promise<Answer> =>
  client.post(String(client.directory['keyChange']), inner(client, pair, overrides));

/** The same account, spoken for by another key. */
const rekeyed = (client: AcmeClient, pair: Pair): Promise<AcmeClient> =>
  acmeClient(platform, { key: pair.key }).then((other) => Object.assign(other, { kid: client.kid }));

async function registered(): Promise<AcmeClient> {
  const client = await acmeClient(platform);
  await client.register();
  return client;
}

test('the new key speaks for the account from then on, in every copy, and the old one for nobody (RFC 8555 §7.3.5)', async () => {
  const client = await registered();
  const { url } = await client.order(freshName());
  // Every copy has seen the old key.
  await Promise.all(Array.from({ length: 12 }, () => client.post(client.kid)));
  const pair = newPair();
  const changed = await change(client, pair);
  expect([changed.status, changed.headers['location'], changed.json()['status']]).toEqual([200, client.kid, 'valid']);
  const other = await rekeyed(client, pair);
  const answers = await Promise.all(Array.from({ length: 12 }, () => other.post(url)));
  expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 12 }, () => 200));
  const refused = await Promise.all(Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? client.post(client.kid) : client.post(url))));
  for (const answer of refused) expect([answer.status, typeOf(answer)]).toEqual([403, 'unauthorized']);
  client.kid = '';
  expect((await client.post(String(client.directory['newAccount']), { onlyReturnExisting: true })).status).toBe(400);
});

test('a key that another account has is a conflict that names that account, and changes nothing', async () => {
  const [client, holder] = [await registered(), await registered()];
  const answer = await change(client, { key: holder.key, jwk: holder.jwk });
  expect([answer.status, typeOf(answer), answer.headers['location']]).toEqual([409, 'malformed', holder.kid]);
  expect((await client.post(client.kid)).status).toBe(200);
});

test.each<[string, (client: AcmeClient, other: AcmeClient) => Inner]>([
  ['a nonce', () => ({ header: { nonce: 'x' } })],
  ['a kid', (client) => ({ header: { kid: client.kid } })],
  ['a kid instead of the key', (client) => ({ header: { kid: client.kid, jwk: undefined } })],
  ['another url', (client) => ({ header: { url: client.directory['newOrder'] } })],
  ['another account', (_, other) => ({ payload: { account: other.kid } })],
  ['another old key', (_, other) => ({ payload: { oldKey: other.jwk } })],
  ['an old key that is none', () => ({ payload: { oldKey: 'key' } })],
  ['the signature of another key', (client) => ({ signer: client.key })],
])('an inner request with %s is malformed, and the key stays', async (_, make) => {
  const [client, other] = [await registered(), await registered()];
  const answer = await change(client, newPair(), make(client, other));
  expect([answer.status, typeOf(answer)]).toEqual([400, 'malformed']);
  expect((await client.post(client.kid)).status).toBe(200);
});

test('a new key that is the old one, weak or wrongly labelled is refused', async () => {
  const client = await registered();
  expect(typeOf(await change(client, { key: client.key, jwk: client.jwk }))).toBe('malformed');
  const { n, e, kty } = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
  expect(typeOf(await change(client, newPair(), { header: { alg: 'RS256', jwk: { n, e, kty } } }))).toBe('badPublicKey');
  expect(typeOf(await change(client, newPair(), { header: { alg: 'ES384' } }))).toBe('badSignatureAlgorithm');
  const asGet = await client.post(String(client.directory['keyChange']));
  expect([asGet.status, typeOf(asGet)]).toEqual([400, 'malformed']);
});

test('of two simultaneous changes one wins, and its key is the account’s', async () => {
  const client = await registered();
  const pairs = [newPair(), newPair()];
  const answers = await Promise.all(pairs.map((pair) => change(client, pair)));
  expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1);
  const works = await Promise.all(pairs.map(async (pair) => (await (await rekeyed(client, pair)).post(client.kid)).status === 200));
  expect(works).toEqual(answers.map((answer) => answer.status === 200));
});

test('an old key may register an account of its own again', async () => {
  const client = await registered();
  await change(client, newPair());
  const old = client.kid;
  client.kid = '';
  const again = await client.register();
  expect(again.status).toBe(201);
  expect(again.headers['location']).not.toBe(old);
});
