import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { ml_dsa44, ml_dsa65, ml_dsa87 } from '@noble/post-quantum/ml-dsa.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mlDsaKinds } from './key-algorithm.ts';
import { messageRepresentative, mlDsa, mlDsaKindOf, seedOnlyPkcs8 } from './ml-dsa.ts';
import { parsePublicKey, publicKeyBits } from './public-key.ts';

const references = { 'ML-DSA-44': ml_dsa44, 'ML-DSA-65': ml_dsa65, 'ML-DSA-87': ml_dsa87 } as const;

describe.each(mlDsaKinds)('%s', (kind) => {
  const { privateKey, publicKey } = generateKeyPairSync(mlDsa[kind].type as 'ml-dsa-44');
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const reference = references[kind];
  const seed = Buffer.from(String(privateKey.export({ format: 'jwk' })['priv']), 'base64url');
  const { secretKey } = reference.keygen(seed);

  test('a key is read as what it is, and one octet more or less of it is none', () => {
    expect(parsePublicKey(spki).kind).toBe(kind);
    expect(mlDsaKindOf(privateKey)).toBe(kind);
    for (const other of [spki.subarray(0, -1), Buffer.concat([spki, Buffer.of(0)])])
      expect(() => parsePublicKey(other)).toThrow('public key');
  });

  test('given any message, what is signed by its representative Node verifies as signed itself, and the other way round (FIPS 204 §6.2)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6000, size: 'max' }), (message) => {
        const mu = messageRepresentative(publicKeyBits(spki), message);
        expect(verify(null, message, publicKey, reference.internal.sign(mu, secretKey, { externalMu: true }))).toBe(true);
        expect(reference.internal.verify(sign(null, message, privateKey), mu, publicKeyBits(spki), { externalMu: true })).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  test('the seed alone is the whole key (RFC 9881 §6)', () => {
    const pkcs8 = seedOnlyPkcs8(privateKey, kind);
    expect(pkcs8.length).toBe(54);
    const opened = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
    expect(createPublicKey(opened).equals(publicKey)).toBe(true);
  });
});
