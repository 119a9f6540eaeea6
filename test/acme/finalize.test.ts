import { createHash, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeCsr as lifecycleCsr } from '../lifecycle/csr.ts';
import { api, startPlatform, until, type Platform } from '../platform.ts';
import { generalName, makeCsr, requestedExtension, type CsrOptions } from '../acme-conformance/certification-request.ts';
import { statementsDuring } from './statements.ts';
import { acmeClient, bind, firstCertificate, freshName, startResponder, type AcmeClient, type Responder } from './client.ts';

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
  ['a URI besides', (name) => csr([name], { extraNames: [generalName.uri('https://example.com/')] })],
  ['a name of another kind besides', (name) => csr([name], { extraNames: [generalName.other()] })],
  ['a request to be a CA', (name) => csr([name], { extensions: [requestedExtension.ca()] })],
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

test('a CSR without one of two ordered names is badCSR', async () => {
  const [first, second] = [freshName(), freshName()];
  const ordered = await trusted.post(String(trusted.directory['newOrder']), {
    identifiers: [first, second].map((value) => ({ type: 'dns', value })),
  });
  const finalize = String(ordered.json()['finalize']);
  const refused = await trusted.post(finalize, csr([first]));
  expect([refused.status, typeOf(refused)]).toEqual([400, 'badCSR']);
  expect((await trusted.post(finalize, csr([second, first]))).json()['status']).toBe('valid');
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

test('under trust an issuance costs six statements at most, from newOrder to the download', async () => {
  await trusted.issue(freshName());
  const name = freshName();
  const asked = await statementsDuring(platform, async () => {
    const { body } = await trusted.order(name);
    const finalized = await trusted.post(String(body['finalize']), csr([name]));
    expect(finalized.json()['status']).toBe('valid');
    expect((await trusted.post(String(finalized.json()['certificate']))).status).toBe(200);
  });
  expect(asked.length, asked.join('\n')).toBeGreaterThan(2);
  expect(asked.length, asked.join('\n')).toBeLessThanOrEqual(6);
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

test('a download stays the same bytes when its name is certified again, by another order and by the platform itself', async () => {
  const name = `${freshName().replace('.localhost', '')}.example.com`;
  const download = async (): Promise<string> => {
    const { url, body } = await trusted.order(name);
    await trusted.post(String(body['finalize']), csr([name]));
    return String((await trusted.post(url)).json()['certificate']);
  };
  const url = await download();
  const before = (await trusted.post(url)).text;
  const after = (await trusted.post(await download())).text;
  const made = await api(platform, 'POST', '/api/v1/certificates', { name, csr: lifecycleCsr([name]).csr });
  const { id } = made.json()['certificate'] as { id: string };
  const serials = async (): Promise<string[]> =>
    ((await api(platform, 'GET', `/api/v1/certificates/${id}/versions`)).json()['items'] as { serial: string }[]).map(
      ({ serial }) => serial,
    );
  await until('it is issued', async () => (await serials()).length === 1 || undefined);
  expect((await api(platform, 'POST', `/api/v1/certificates/${id}/renew`)).status).toBe(202);
  await until('it is renewed', async () => (await serials()).length === 2 || undefined);
  expect((await trusted.post(url)).text).toBe(before);
  expect(after).not.toBe(before);
});

test('of the extensions that a CSR asks for, only must-staple is taken over (RFC 7633)', async () => {
  const name = freshName();
  const { url, body } = await trusted.order(name);
  const extensions = [requestedExtension.codeSigning(), requestedExtension.certificatePolicies(), requestedExtension.mustStaple()];
  expect((await trusted.post(String(body['finalize']), csr([name], { extensions }))).json()['status']).toBe('valid');
  const leaf = firstCertificate((await trusted.post(String((await trusted.post(url)).json()['certificate']))).text);
  expect(new X509Certificate(leaf).keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  expect(leaf.includes(Buffer.from('2b06010505070118', 'hex'))).toBe(true);
  expect(leaf.includes(Buffer.from('2a0304', 'hex'))).toBe(false);
});

test('a download in a type that the certificate does not come in is 406, and what others own is the 404 of what nobody owns', async () => {
  const name = freshName();
  const { url, body } = await trusted.order(name);
  await trusted.post(String(body['finalize']), csr([name]));
  const certificate = String((await trusted.post(url)).json()['certificate']);
  const statusFor = async (accept: string): Promise<number> => (await trusted.post(certificate, undefined, { headers: { accept } })).status;
  expect(await statusFor('application/pkix-cert')).toBe(406);
  expect(await statusFor('application/pem-certificate-chain;q=0')).toBe(406);
  expect(await statusFor('text/html, application/pem-certificate-chain')).toBe(200);
  expect(await statusFor('*/*')).toBe(200);
  // What clients say with every request, whatever it is for.
  const everywhere = await trusted.post(certificate, undefined, { headers: { accept: 'application/json' } });
  expect([everywhere.status, everywhere.headers['content-type']]).toEqual([200, 'application/pem-certificate-chain']);
  const key = (await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal' })).json() as { key_id: string; hmac_key: string };
  const stranger = await acmeClient(platform, { profile: 'internal' });
  await stranger.register({ externalAccountBinding: bind(stranger, key) });
  const [foreign, missing] = [await stranger.post(certificate), await stranger.post(`${certificate.slice(0, -8)}00000000`)];
  expect([foreign.status, foreign.text]).toEqual([404, missing.text]);
});

test('while an order is processing its Retry-After grows with the attempts, up to half a minute', async () => {
  const { url } = await trusted.order(freshName());
  const database = await platform.database();
  try {
    const waits = [];
    for (const attempts of [1, 2, 4, 9]) {
      await database.query(
        `UPDATE acme_orders SET status = 'processing', attempts = $2, lease_until = now() + interval '1 hour' WHERE id = $1`,
        [url.split('/').at(-1), attempts],
      );
      const answer = await trusted.post(url);
      expect(answer.json()['status']).toBe('processing');
      waits.push(Number(answer.headers['retry-after']));
    }
    expect(waits).toEqual([2, 4, 16, 30]);
    await database.query(`UPDATE acme_orders SET status = 'ready', lease_until = NULL WHERE id = $1`, [url.split('/').at(-1)]);
  } finally {
    await database.end();
  }
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

test('a CSR may be signed with RSASSA-PSS, as Windows and Java do, and the signature counts (RFC 4055 §3.1)', async () => {
  const keyPair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  for (const pss of ['sha256', 'sha384', 'sha512'] as const) {
    const name = freshName();
    const { body } = await trusted.order(name);
    const wrong = await trusted.post(String(body['finalize']), csr([name], { keyPair, pss, breakSignature: true }));
    expect([wrong.status, typeOf(wrong)]).toEqual([400, 'badCSR']);
    const answer = await trusted.post(String(body['finalize']), csr([name], { keyPair, pss }));
    expect(answer.json()['status'], answer.text).toBe('valid');
  }
});
