import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { request, startPlatform, type Platform } from '../platform.ts';
import { acmeClient, type AcmeClient } from './client.ts';

let platform: Platform;
let client: AcmeClient;
let newAccount: string;
beforeAll(async () => {
  platform = await startPlatform();
  client = await acmeClient(platform);
  newAccount = String(client.directory['newAccount']);
});
afterAll(() => platform.stop());

const typeOf = (answer: { json(): Record<string, unknown> }): string =>
  String(answer.json()['type']).replace('urn:ietf:params:acme:error:', '');

test('another Content-Type is 415, and parameters of the right one are tolerated (RFC 8555 §6.2)', async () => {
  expect((await client.post(newAccount, {}, { contentType: 'application/json' })).status).toBe(415);
  expect((await client.post(newAccount, {}, { contentType: 'application/jose+json; charset=utf-8' })).status).toBeLessThan(300);
});

test.each(['none', 'HS256', 'PS256', 'RS384', ''])('alg %j is badSignatureAlgorithm with the accepted ones', async (alg) => {
  const answer = await client.post(newAccount, {}, { header: { alg } });
  expect([answer.status, typeOf(answer)]).toEqual([400, 'badSignatureAlgorithm']);
  expect(answer.json()['algorithms']).toEqual(['ES256', 'ES384', 'ES512', 'RS256', 'EdDSA']);
});

test('a weak, private or mismatched key is refused before anything else is done with it', async () => {
  const rsa = (bits: number): Record<string, unknown> => {
    const { n, e, kty } = generateKeyPairSync('rsa', { modulusLength: bits }).publicKey.export({ format: 'jwk' });
    return { n, e, kty };
  };
  expect(typeOf(await client.post(newAccount, {}, { header: { alg: 'RS256', jwk: rsa(1024) } }))).toBe('badPublicKey');
  expect(typeOf(await client.post(newAccount, {}, { header: { alg: 'RS256', jwk: client.jwk } }))).toBe('badSignatureAlgorithm');
  expect(typeOf(await client.post(newAccount, {}, { header: { jwk: { ...client.jwk, d: 'AA' } } }))).toBe('malformed');
  expect(typeOf(await client.post(newAccount, {}, { header: { jwk: { ...client.jwk, crv: 'P-384' } } }))).toBe('malformed');
  expect(typeOf(await client.post(newAccount, {}, { header: { jwk: { ...client.jwk, x: client.jwk['y'], y: client.jwk['x'] } } }))).toBe(
    'badPublicKey',
  );
  expect(typeOf(await client.post(newAccount, {}, { header: { jwk: { kty: 'oct', k: 'AAAA' } } }))).toBe('malformed');
  const { crv, kty, x, y } = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' });
  const longer = await client.post(newAccount, {}, { header: { alg: 'ES256', jwk: { crv, kty, x, y } } });
  expect([longer.status, typeOf(longer)]).toEqual([400, 'badSignatureAlgorithm']);
});

test('a private member that is null is none, as serializers write a key that has only its public half', async () => {
  // Whether it has an account already is another test's.
  expect([200, 201]).toContain((await client.post(newAccount, {}, { header: { jwk: { ...client.jwk, d: null, p: null } } })).status);
});

test('exactly one of kid and jwk is wanted, and the one that the resource wants', async () => {
  const kid = `${platform.url}/acme/profile/default/account/acct-00000000000000000000000000000000`;
  expect(typeOf(await client.post(newAccount, {}, { header: { kid } }))).toBe('malformed');
  expect(typeOf(await client.post(newAccount, {}, { without: ['jwk'] }))).toBe('malformed');
  expect(typeOf(await client.post(newAccount, {}, { header: { kid }, without: ['jwk'] }))).toBe('malformed');
  expect(typeOf(await client.post(String(client.directory['newOrder']), {}))).toBe('malformed');
});

test('a url that differs by host, path, query or trailing slash is unauthorized (RFC 8555 §6.4)', async () => {
  const wrong = [
    'https://evil.example/acme/profile/default/new-account',
    `${newAccount}/`,
    `${newAccount}?x=1`,
    newAccount.replace('new-account', 'new-order'),
  ];
  for (const url of wrong) {
    const answer = await client.post(newAccount, {}, { header: { url } });
    expect([answer.status, typeOf(answer)]).toEqual([403, 'unauthorized']);
  }
  expect(typeOf(await client.post(newAccount, {}, { without: ['url'] }))).toBe('malformed');
});

test('every other form of JWS is malformed', async () => {
  const good = await client.jws(newAccount, {});
  const bodies = [
    `${String(good['protected'])}.${String(good['payload'])}.${String(good['signature'])}`,
    JSON.stringify({ payload: good['payload'], signatures: [{ protected: good['protected'], signature: good['signature'] }] }),
    JSON.stringify({
      payload: good['payload'],
      signatures: [1, 2].map(() => ({ protected: good['protected'], signature: good['signature'] })),
    }),
    JSON.stringify({ ...good, signatures: [] }),
    JSON.stringify({ ...good, header: { alg: 'ES256' } }),
    JSON.stringify({ ...good, extra: 1 }),
    JSON.stringify({ ...good, payload: `${String(good['payload'])}==` }),
    JSON.stringify({ ...good, signature: 'not base64!' }),
    JSON.stringify([good]),
    `{"protected":"${String(good['protected'])}","protected":"${String(good['protected'])}","payload":"","signature":""}`,
    '',
    '{',
    'null',
    '['.repeat(30_000),
  ];
  for (const body of bodies) {
    const answer = await client.post(newAccount, {}, { body });
    expect([answer.status, typeOf(answer), body.slice(0, 40)]).toEqual([400, 'malformed', body.slice(0, 40)]);
    expect(answer.headers['replay-nonce']).toBeDefined();
  }
  expect(typeOf(await client.post(newAccount, {}, { header: { b64: false } }))).toBe('malformed');
  expect(typeOf(await client.post(newAccount, {}, { header: { crit: ['exp'], exp: 1 } }))).toBe('malformed');
});

test('a body above 64 KiB is 413', async () => {
  const answer = await client.post(newAccount, {}, { body: JSON.stringify({ payload: 'A'.repeat(70_000) }) });
  expect([answer.status, typeOf(answer)]).toEqual([413, 'malformed']);
});

test('a tampered payload or signature is refused, changes nothing and spends the nonce', async () => {
  const other = await acmeClient(platform);
  const good = await other.jws(newAccount, { contact: ['mailto:a@example.com'] });
  const tampered = { ...good, payload: Buffer.from('{"contact":["mailto:evil@example.com"]}').toString('base64url') };
  const refused = await other.post(newAccount, {}, { body: JSON.stringify(tampered) });
  expect([refused.status, typeOf(refused)]).toEqual([403, 'unauthorized']);
  const replayed = await other.post(newAccount, {}, { body: JSON.stringify(good) });
  expect(typeOf(replayed)).toBe('badNonce');
  expect(typeOf(await other.post(newAccount, { onlyReturnExisting: true }))).toBe('accountDoesNotExist');
});

test('no answer shows SQL, a stack, a path of the machine or an address', async () => {
  const probes = [
    await request(platform, `${platform.url}/acme/profile/default/order/'%20OR%201=1--`, { method: 'POST', body: '{}', headers: { 'content-type': 'application/jose+json' } }),
    await request(platform, `${platform.url}/api/v1/profiles`, { headers: { authorization: "Bearer ' OR 1=1 -- aaaaaaaaaaaaaaaa" } }),
    await request(platform, `${platform.pkiUrl}/.well-known/pki/crl/..%2f..%2fetc%2fpasswd`),
    await request(platform, `${platform.url}/acme/profile/default/new-account`, { method: 'POST', body: Buffer.alloc(100, 0xff), headers: { 'content-type': 'application/jose+json' } }),
  ];
  for (const answer of probes) {
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    expect(answer.text).not.toMatch(/SELECT|at .*\.js:|node:|\/tmp\/|127\.0\.0\.1|postgres/i);
  }
}); // prettier-ignore
