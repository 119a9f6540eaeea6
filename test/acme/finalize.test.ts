import { createHash, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, startPlatform, type Platform } from '../platform.ts';
import {
  acmeClient,
  bind,
  firstCertificate,
  freshName,
  generalName,
  makeCsr,
  startResponder,
  type AcmeClient,
  type CsrOptions,
  type Responder,
} from './client.ts';

let platform: Platform;
let responder: Responder;
let client: AcmeClient;
let trusted: AcmeClient;
beforeAll(async () => {
  responder = await startResponder();
  platform = await startPlatform({ args: ['--door-http01-port', String(responder.port)] });
  client = await acmeClient(platform, { responder });
  await client.register();
  const key = (await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal' })).json() as { key_id: string; hmac_key: string };
  trusted = await acmeClient(platform, { profile: 'internal' });
  await trusted.register({ externalAccountBinding: bind(trusted, key) });
});
afterAll(async () => {
  await platform.stop();
  await responder.stop();
});

const typeOf = (answer: { json(): Record<string, unknown> }): string =>
  String(answer.json()['type']).replace('urn:ietf:params:acme:error:', '');
const csr = (names: string[], options: CsrOptions = {}): { csr: string } => ({ csr: makeCsr(names, options).csr.toString('base64url') });

test('over http-01 a certificate is issued that chains to the anchor, for the CSR’s key and the order’s names', async () => {
  const name = freshName();
  const issued = await client.issue(name);
  const blocks = issued.pem.match(/-----BEGIN CERTIFICATE-----\n[\s\S]*?-----END CERTIFICATE-----\n/g) ?? [];
  expect(blocks).toHaveLength(2);
  const [leaf, issuing, root] = [...blocks, platform.ca].map((pem) => new X509Certificate(pem));
  expect(leaf!.checkIssued(issuing!) && leaf!.verify(issuing!.publicKey) && issuing!.verify(root!.publicKey)).toBe(true);
  expect(leaf!.subjectAltName).toBe(`DNS:${name}`);
  expect(leaf!.checkPrivateKey(issued.key)).toBe(true);
  expect(leaf!.infoAccess).toContain(`${platform.pkiUrl}/.well-known/pki/ocsp/issuing-1`);
});

test('a pending order is orderNotReady and stays as it is', async () => {
  const name = freshName();
  const { url, body } = await client.order(name);
  const answer = await client.post(String(body['finalize']), csr([name]));
  expect([answer.status, typeOf(answer)]).toEqual([403, 'orderNotReady']);
  expect((await client.post(url)).json()['status']).toBe('pending');
});

test.each<[string, (name: string) => object]>([
  ['another name', () => csr(['other.example'])],
  ['a name too many', (name) => csr([name, 'extra.example'])],
  ['no name', () => csr([])],
  ['an address besides', (name) => csr([name], { extraNames: [generalName.ip([10, 0, 0, 1])] })],
  ['a mail address besides', (name) => csr([name], { extraNames: [generalName.email('a@example.com')] })],
  ['a common name that is not ordered', (name) => csr([name], { commonName: 'other.example' })],
  ['a broken self-signature', (name) => csr([name], { breakSignature: true })],
  ['padding', (name) => ({ csr: `${csr([name]).csr}=` })],
  ['trailing bytes', (name) => ({ csr: Buffer.concat([makeCsr([name]).csr, Buffer.of(0)]).toString('base64url') })],
  ['an RSA key of 1024 bits', (name) => csr([name], { keyPair: generateKeyPairSync('rsa', { modulusLength: 1024 }) })],
  ['a key on a curve that is not allowed', (name) => csr([name], { keyPair: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }) })],
  ['more than 16 KiB', (name) => csr([name, ...Array.from({ length: 1500 }, (_, i) => `n${i}.example.com`)])],
  ['the key of the account', (name) => csr([name], { keyPair: { privateKey: trusted.key, publicKey: createPublicKey(trusted.key) } })],
  ['nothing', () => ({})],
])('a CSR with %s is badCSR, the order stays ready, and the right CSR then succeeds', async (_, make) => {
  const name = freshName();
  const { url, body } = await trusted.order(name);
  const refused = await trusted.post(String(body['finalize']), make(name));
  expect([refused.status, typeOf(refused)]).toEqual([400, 'badCSR']);
  expect((await trusted.post(url)).json()['status']).toBe('ready');
  const accepted = await trusted.post(String(body['finalize']), csr([name], { commonName: name }));
  expect(accepted.json()['status']).toBe('valid');
});

test('two simultaneous finalizes make one certificate', async () => {
  for (let round = 0; round < 5; round++) {
    const name = freshName();
    const { url, body } = await trusted.order(name);
    const answers = await Promise.all([1, 2, 3].map(() => trusted.post(String(body['finalize']), csr([name]))));
    for (const answer of answers) expect([200, 403]).toContain(answer.status);
    expect((await trusted.post(url)).json()['status']).toBe('valid');
    const database = await platform.database();
    try {
      const id = url.split('/').at(-1);
      const { rows } = await database.query('SELECT serial FROM certificates WHERE sans @> $1::jsonb', [
        JSON.stringify([{ type: 'dns', value: name }]),
      ]);
      const log = await database.query('SELECT serial FROM signing_log WHERE idempotency_key = $1', [id]);
      expect([rows.length, log.rows.length]).toEqual([1, 1]);
    } finally {
      await database.end();
    }
  }
});

test('a valid order is orderNotReady for another finalize', async () => {
  const name = freshName();
  const { body } = await trusted.order(name);
  await trusted.post(String(body['finalize']), csr([name]));
  expect(typeOf(await trusted.post(String(body['finalize']), csr([name])))).toBe('orderNotReady');
});

test('an order of one profile cannot be finalized under another', async () => {
  const { body } = await trusted.order(freshName());
  const crossed = String(body['finalize']).replace('/internal/', '/default/');
  expect((await client.post(crossed, csr(['x.example']))).status).toBe(404);
});

test('a download is PEM with LF ends, for its owner only, in the type that was asked for', async () => {
  const name = freshName();
  const { url, body } = await trusted.order(name);
  await trusted.post(String(body['finalize']), csr([name]));
  const certificate = String((await trusted.post(url)).json()['certificate']);
  const answer = await trusted.post(certificate);
  expect(answer.headers['content-type']).toBe('application/pem-certificate-chain');
  expect(answer.text).not.toContain('\r');
  expect(createHash('sha256').update(firstCertificate(answer.text)).digest('hex')).toMatch(/^[0-9a-f]{64}$/);
  expect((await trusted.post(certificate)).text).toBe(answer.text);
  expect((await client.post(certificate.replace('/internal/', '/default/'))).status).toBe(404);
  expect(typeOf(await trusted.post(certificate, {}))).toBe('malformed');
});

test('RSA and P-384 keys are certified', async () => {
  const pairs = [generateKeyPairSync('rsa', { modulusLength: 2048 }), generateKeyPairSync('ec', { namedCurve: 'P-384' })];
  for (const keyPair of pairs) {
    const name = freshName();
    const { body } = await trusted.order(name);
    const answer = await trusted.post(String(body['finalize']), csr([name], { keyPair }));
    expect(answer.json()['status']).toBe('valid');
  }
});
