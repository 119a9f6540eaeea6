import fc from 'fast-check';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { alternativeNames, dns, make } from '../../test/pki/made-certificate.ts';
import { mutatedBytes } from '../../test/mutated-bytes.ts';
import { CaError } from '../error.ts';
import { readDiscovered, sharesName } from './discovered.ts';

const rsa = make({
  subject: 'found.example.com',
  key: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  extensions: [alternativeNames(dns('found.example.com'), dns('*.example.com'))],
});

test('given a certificate, all its facts are derived from its bytes', () => {
  expect(readDiscovered(rsa.der)).toMatchObject({
    fingerprint: createHash('sha256').update(rsa.der).digest('hex'),
    subject: 'CN=found.example.com',
    issuer: 'CN=found.example.com',
    commonName: 'found.example.com',
    sans: [
      { type: 'dns', value: 'found.example.com' },
      { type: 'dns', value: '*.example.com' },
    ],
    keyAlgorithm: 'RSA',
    keySize: 2048,
    isCa: false,
    selfIssued: true,
  });
  expect(readDiscovered(make({ ca: {} }).der)).toMatchObject({ keyAlgorithm: 'ECDSA', keySize: 256, isCa: true });
});

test('given bytes that are none, or some that were a certificate, they are refused as malformed or read, and nothing else', () => {
  const judge = (bytes: Uint8Array): void => {
    try {
      const { subject, commonName } = readDiscovered(bytes);
      expect(`${subject}${commonName ?? ''}`).not.toMatch(/[\u0000-\u001f]/);
    } catch (error) {
      expect(error).toBeInstanceOf(CaError);
      expect((error as CaError).code).toBe('malformed');
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 500 }), judge));
  fc.assert(fc.property(mutatedBytes(rsa.der), judge), { numRuns: 500 });
});

test.each([
  ['a name of both', { commonName: undefined, sans: [{ type: 'dns', value: 'A.example.com' }] }, true],
  ['the common name', { commonName: 'a.example.com', sans: [] }, true],
  ['nothing', { commonName: 'b.example.com', sans: [] }, false],
])('given %s in common, the two are told apart so', (_, found, shares) => {
  expect(sharesName(found, { commonName: undefined, sans: [{ type: 'dns', value: 'a.example.com' }] })).toBe(shares);
});
