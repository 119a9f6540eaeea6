import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { webcrypto, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, startPlatform, until, type Answer, type Platform } from '../platform.ts';
import { acmeClient, bind, freshName, type AcmeClient } from './client.ts';

let platform: Platform;
let client: AcmeClient;
beforeAll(async () => {
  x509.cryptoProvider.set(webcrypto as never);
  platform = await startPlatform();
  const key = (await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal' })).json() as { key_id: string; hmac_key: string };
  client = await acmeClient(platform, { profile: 'internal' });
  await client.register({ externalAccountBinding: bind(client, key) });
});
afterAll(() => platform.stop());

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const path = '/api/v1/certificate-authorities/issuing-1/cross-certificates';
const cross = (chain: readonly string[]): Promise<Answer> => api(platform, 'POST', path, { chain_pem: chain.join('\n') });

/** Another hierarchy that certifies a CA of ours: the cross-certificate and the other root. */
async function crossCertify(
  pem: string,
  options: { readonly days?: number; readonly name?: string } = {},
): Promise<readonly [string, string]> {
  const keys = await webcrypto.subtle.generateKey(ecdsa, true, ['sign', 'verify']);
  const times = { notBefore: new Date(Date.now() - 86_400_000), notAfter: new Date(Date.now() + (options.days ?? 30) * 86_400_000) };
  const extensions = [new x509.BasicConstraintsExtension(true, undefined, true)];
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: 'CN=Other Root',
    keys,
    signingAlgorithm: ecdsa,
    extensions,
    notBefore: times.notBefore,
    notAfter: new Date(Date.now() + 60 * 86_400_000),
  });
  const ours = new x509.X509Certificate(pem);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: '02',
    subject: options.name ?? ours.subjectName,
    issuer: root.subject,
    publicKey: ours.publicKey,
    signingKey: keys.privateKey,
    signingAlgorithm: ecdsa,
    extensions: [...extensions, await x509.SubjectKeyIdentifierExtension.create(ours.publicKey)],
    ...times,
  });
  return [certificate.toString('pem'), root.toString('pem')];
}

const blocksOf = (pem: string): string[] => pem.match(/-----BEGIN CERTIFICATE-----\n[\s\S]*?-----END CERTIFICATE-----\n/g) ?? [];

test('a cross-certificate makes an alternate chain, which each download links (RFC 8555 §7.4.2)', async () => {
  const issued = await client.issue(freshName());
  const url = String((await client.post(issued.order)).json()['certificate']);
  const [, issuing = ''] = blocksOf(issued.pem);
  expect((await client.post(url)).headers['link']).not.toContain('rel="alternate"');
  const [certificate, root] = await crossCertify(issuing);
  expect((await cross([certificate])).status).toBe(201);
  expect((await cross([certificate])).status).toBe(409);
  const first = await until('the alternate chain is linked', async () => {
    const answer = await client.post(url);
    return answer.headers['link']?.includes(`<${url}/1>;rel="alternate"`) === true ? answer : undefined;
  });
  expect(first.text).toBe(issued.pem);
  const other = await client.post(`${url}/1`);
  expect([other.status, other.headers['content-type']]).toEqual([200, 'application/pem-certificate-chain']);
  expect(other.headers['link']).toContain(`<${url}>;rel="alternate"`);
  const [leaf = '', alternate = ''] = blocksOf(other.text);
  expect(leaf).toBe(blocksOf(issued.pem)[0]);
  const anchor = new X509Certificate(root);
  expect(new X509Certificate(leaf).verify(new X509Certificate(alternate).publicKey)).toBe(true);
  expect(new X509Certificate(alternate).verify(anchor.publicKey)).toBe(true);
  expect((await client.post(`${url}/2`)).status).toBe(404);
  expect((await api(platform, 'GET', path)).json()['items']).toMatchObject([{ ca_id: 'issuing-1' }]);
});

test('a chain that cannot stand in for the CA is refused with a reason', async () => {
  const issued = await client.issue(freshName());
  const [leaf = '', issuing = ''] = blocksOf(issued.pem);
  const [good, root] = await crossCertify(issuing);
  const [, stranger] = await crossCertify(issuing);
  const [renamed] = await crossCertify(issuing, { name: 'CN=Somebody Else' });
  const [expired] = await crossCertify(issuing, { days: -0.5 });
  for (const [chain, status] of [
    [['nothing'], 400],
    [['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'], 400],
    [[issuing], 422],
    [[platform.ca], 422],
    [[leaf], 422],
    [[renamed], 422],
    [[expired], 422],
    [[good, stranger], 422],
    [[good, root, root, root, root, root], 400],
  ] as const) {
    const answer = await cross(chain);
    expect([answer.status, String(answer.json()['detail']).length > 10]).toEqual([status, true]);
  }
  expect((await api(platform, 'GET', '/api/v1/certificate-authorities/nobody/cross-certificates')).status).toBe(404);
});
