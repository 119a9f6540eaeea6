import { createPrivateKey, X509Certificate } from 'node:crypto';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { parseCsr } from '#domain/x509/csr.ts';
import { certificationRequest, newKeyPair, temporaryFront } from '#infra/local/front-certificate.ts';
import { request } from '../platform.ts';

test('the certificate of the first seconds is for localhost, for an hour, and is trusted by who trusts it and nobody else', async () => {
  const now = Date.parse('2031-02-03T04:05:06.789Z');
  const certificate = new X509Certificate(temporaryFront(now).chain);
  expect(certificate.subjectAltName).toBe('DNS:localhost');
  expect([certificate.validFromDate, certificate.validToDate].map((date) => date.toISOString())).toEqual([
    '2031-02-03T04:04:06.000Z',
    '2031-02-03T05:05:06.000Z',
  ]);
  const front = temporaryFront(Date.now());
  expect(new X509Certificate(front.chain).checkPrivateKey(createPrivateKey(front.key))).toBe(true);
  const server = https.createServer({ cert: front.chain, key: front.key }, (_, response) => response.end('here'));
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  try {
    const url = `https://localhost:${(server.address() as AddressInfo).port}/`;
    expect((await request({ ca: front.chain }, url)).text).toBe('here');
    await expect(request({ ca: temporaryFront(Date.now()).chain }, url)).rejects.toThrow(/signature|self-signed|verify/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('the request of the front is one of PKCS#10 for localhost alone, signed by its key', () => {
  const keys = newKeyPair();
  const request = parseCsr(certificationRequest(keys));
  expect(request).toMatchObject({
    commonNames: [],
    subjectAltNames: [{ type: 'dns', value: 'localhost' }],
    isCa: false,
    mustStaple: false,
    extendedKeyUsages: [],
  });
  expect(Buffer.from(request.publicKey.spki)).toEqual(keys.publicKey.export({ type: 'spki', format: 'der' }));
});
