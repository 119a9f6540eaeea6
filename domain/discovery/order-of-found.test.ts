import { expect, test } from 'vitest';
import { keyAlgorithmOfFound, namesOfFound } from './order-of-found.ts';

test('all names of a certificate that was found are ordered, each with its type', () => {
  const sans = [
    { type: 'dns', value: 'WWW.example.org' },
    { type: 'dns', value: '*.example.org' },
    { type: 'ip', value: '192.0.2.1' },
    { type: 'email', value: 'a@example.org' },
    { type: 'uri', value: 'spiffe://example.org/x' },
  ];
  expect(namesOfFound({ commonName: 'ignored', sans })).toEqual([{ type: 'dns', value: 'www.example.org' }, ...sans.slice(1)]);
});

test('given no subjectAltName, the common name is the name', () => {
  expect(namesOfFound({ commonName: 'old.example.org', sans: [] })).toEqual([{ type: 'dns', value: 'old.example.org' }]);
});

test.each([
  ['a common name that is none', { commonName: 'Snake Oil Inc.', sans: [] }, 'cannot be ordered'],
  ['no name at all', { commonName: undefined, sans: [] }, 'cannot be ordered'],
  [
    'one name of many that nobody can order',
    { commonName: undefined, sans: ['www.example.org', 'under_score'].map((value) => ({ type: 'dns', value })) },
    'under_score',
  ],
  [
    'more names than an order has',
    { commonName: undefined, sans: Array.from({ length: 101 }, (_, n) => ({ type: 'dns', value: `n${n}.example.org` })) },
    'more than 100',
  ],
])('given %s, nothing is left out in silence: it is refused', (_, found, why) => {
  expect(() => namesOfFound(found)).toThrow(why);
});

test.each([
  ['RSA', 1024, 'RSA-2048'],
  ['RSA', 2048, 'RSA-2048'],
  ['RSA', 3000, 'RSA-3072'],
  ['RSA', 8192, 'RSA-4096'],
  ['ECDSA', 256, 'ECDSA-P256'],
  ['ECDSA', 521, 'ECDSA-P384'],
  ['Ed25519', 256, 'Ed25519'],
  ['other', undefined, 'ECDSA-P256'],
])('for a key of %s with %s bits it is %s', (keyAlgorithm, keySize, expected) => {
  expect(keyAlgorithmOfFound({ keyAlgorithm, keySize })).toBe(expected);
});
