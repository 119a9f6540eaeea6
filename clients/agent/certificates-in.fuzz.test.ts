import fc from 'fast-check';
import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { toPem } from '#domain/x509/pem.ts';
import { make } from '../../test/pki/made-certificate.ts';
import { mutatedBytes } from '../../test/mutated-bytes.ts';
import { certificatesIn } from './certificates-in.ts';

const [one, two] = [make({}).der, make({}).der];
const [onePem, twoPem] = [one, two].map((der) => toPem('CERTIFICATE', der)) as [string, string];
const keyPem = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

test.each([
  ['a chain', onePem + twoPem, [one, two], false],
  ['a certificate with its key, in either order', keyPem + onePem + keyPem, [one], true],
  ['a key alone', keyPem, [], true],
  ['words between them', `subject=/CN=x\n${onePem}\nissuer=/CN=y\r\n${twoPem}`, [one, two], false],
  ['a block that has no end before the next', `-----BEGIN CERTIFICATE-----\nMIIB\n${onePem}`, [one], false],
  ['a key that calls itself a certificate', keyPem.replaceAll('PRIVATE KEY', 'CERTIFICATE'), [], false],
  ['nothing', '', [], false],
])('given a file with %s, its certificates are found, and a key is only noted', (_, text, certificates, keyPresent) => {
  expect(certificatesIn(Buffer.from(text))).toMatchObject({ certificates, keyPresent });
});

test('given DER, it is a certificate when nothing follows it', () => {
  expect(certificatesIn(one)).toEqual({ certificates: [one], format: 'der', keyPresent: false });
  expect(certificatesIn(Buffer.concat([one, Buffer.from('secret')])).certificates).toEqual([]);
});

test('given any bytes, nothing is thrown, and nothing but whole certificates comes out', () => {
  const file = Buffer.from(onePem + keyPem + twoPem);
  const known = [one, two].map((der) => der.toString('base64'));
  const judge = (bytes: Uint8Array): void => {
    for (const der of certificatesIn(Buffer.from(bytes)).certificates) {
      expect(der[0]).toBe(0x30);
      expect(der.includes(Buffer.from(keyPem.split('\n')[1]!, 'base64'))).toBe(false);
    }
  };
  expect(certificatesIn(file).certificates.map((der) => der.toString('base64'))).toEqual(known);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), judge));
  fc.assert(fc.property(mutatedBytes(file), judge), { numRuns: 300 });
});
