import { X509Certificate } from 'node:crypto';
import tls, { type Server } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, startPlatform, type Answer, type Platform } from '../platform.ts';
import { challengeCertificate } from '../acme-conformance/challenge-certificate.ts';
import { generalName, makeCsr } from '../acme-conformance/certification-request.ts';
import { acmeClient, bind, challengeOf, firstCertificate, freshName, poll, type AcmeClient } from './client.ts';

let platform: Platform;
let client: AcmeClient;
let server: Server;
let answer: { cert: string; key: string } | undefined;
beforeAll(async () => {
  server = tls.createServer({
    ALPNProtocols: ['acme-tls/1'],
    SNICallback: (_, done) => (answer === undefined ? done(new Error('nothing here')) : done(null, tls.createSecureContext(answer))),
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  platform = await startPlatform({ args: ['--door-tls-alpn01-port', String((server.address() as { port: number }).port)] });
  client = await acmeClient(platform);
  await client.register();
});
afterAll(async () => {
  await platform.stop();
  await new Promise((resolve) => server.close(resolve));
});

const typeOf = (response: Answer): string => String(response.json()['type']).replace('urn:ietf:params:acme:error:', '');
const ipOrder = (who: AcmeClient, ...values: string[]): Promise<Answer> =>
  who.post(String(who.directory['newOrder']), { identifiers: values.map((value) => ({ type: 'ip', value })) });

test('a client that shows the challenge certificate gets a certificate (RFC 8737)', async () => {
  const name = freshName();
  const { url, body } = await client.order(name);
  const challenge = await challengeOf(client, (body['authorizations'] as string[])[0]!, 'tls-alpn-01');
  const keyAuthorization = `${challenge.token}.${client.thumbprint}`;
  answer = await challengeCertificate({ names: [{ type: 'dns', value: name }], keyAuthorization });
  await client.post(challenge.url, {});
  const ready = await poll(client, url, 'ready');
  const finalized = await client.post(String(ready['finalize']), { csr: makeCsr([name]).csr.toString('base64url') });
  expect(finalized.json()['status']).toBe('valid');
});

test('an address is offered http-01 and tls-alpn-01, and never dns-01 (RFC 8738 §§4, 6)', async () => {
  for (const value of ['192.0.2.1', '2001:db8::1']) {
    const made = await ipOrder(client, value);
    expect([made.status, made.json()['identifiers']]).toEqual([201, [{ type: 'ip', value }]]);
    const authorization = (await client.post((made.json()['authorizations'] as string[])[0]!)).json();
    expect((authorization['challenges'] as { type: string }[]).map((challenge) => challenge.type)).toEqual(['http-01', 'tls-alpn-01']);
  }
});

test.each([
  '2001:DB8::1',
  '2001:db8:0::1',
  '::ffff:192.0.2.1%eth0',
  '192.0.2',
  '192.0.2.01',
  '0x7f000001',
  '[2001:db8::1]',
  '192.0.2.0/24',
  '',
])('the address %j is not in canonical form and refused (RFC 8738 §3)', async (value) => {
  const refused = await ipOrder(client, value);
  expect([refused.status, typeOf(refused)]).toEqual([400, 'rejectedIdentifier']);
});

test('an address that validation must not reach is a connection error, whatever the door', async () => {
  for (const value of ['127.0.0.1', '169.254.169.254', '10.0.0.1', '::1']) {
    for (const type of ['http-01', 'tls-alpn-01']) {
      const made = await ipOrder(client, value);
      expect(made.status).toBe(201);
      const challenge = await challengeOf(client, (made.json()['authorizations'] as string[])[0]!, type);
      await client.post(challenge.url, {});
      await expect(poll(client, String(made.headers['location']), 'ready')).rejects.toThrow(/error:connection/);
    }
  }
});

test('an account whose key names a range gets certificates for its addresses, and for no others', async () => {
  const allowed = { profile: 'internal', allowed_names: ['192.0.2.0/24', '2001:db8::/32', '.corp.example'] };
  const key = (await api(platform, 'POST', '/api/v1/eab-keys', allowed)).json() as { key_id: string; hmac_key: string };
  const trusted = await acmeClient(platform, { profile: 'internal' });
  await trusted.register({ externalAccountBinding: bind(trusted, key) });
  const made = await ipOrder(trusted, '192.0.2.7', '2001:db8::7');
  expect(made.json()['status']).toBe('ready');
  const v6 = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
  const finalize = (octets: number[][]): Promise<Answer> =>
    trusted.post(String(made.json()['finalize']), {
      csr: makeCsr([], { extraNames: octets.map(generalName.ip) }).csr.toString('base64url'),
    });
  expect(typeOf(await finalize([[192, 0, 2, 7]]))).toBe('badCSR');
  expect(typeOf(await finalize([[192, 0, 2, 8], v6]))).toBe('badCSR');
  const finalized = await finalize([[192, 0, 2, 7], v6]);
  expect(finalized.json()['status']).toBe('valid');
  const leaf = new X509Certificate(firstCertificate((await trusted.post(String(finalized.json()['certificate']))).text));
  expect([leaf.checkIP('192.0.2.7'), leaf.checkIP('2001:db8::7'), leaf.checkIP('192.0.2.8')]).toEqual([
    '192.0.2.7',
    '2001:db8::7',
    undefined,
  ]);
  expect(typeOf(await ipOrder(trusted, '198.51.100.1'))).toBe('rejectedIdentifier');
  expect(typeOf(await ipOrder(trusted, '2001:db9::1'))).toBe('rejectedIdentifier');
});
