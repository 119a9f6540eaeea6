import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mutatedBytes } from '../../test/mutated-bytes.ts';
import { make } from '../../test/pki/made-certificate.ts';
import { madeJks } from '../../test/pki/made-jks.ts';
import { certificateBag, keyBag, lockedContent, madePkcs12, plainContent } from '../../test/pki/made-pkcs12.ts';
import { keystoreIn } from './keystore-in.ts';

const [one, two] = [make({}), make({})];
const key = one.key.export({ format: 'der', type: 'pkcs8' });
// Not its head, which a public key has, too.
const secret = key.subarray(40, 60);
const pkcs12 = madePkcs12([plainContent(certificateBag(one.der), keyBag(key)), lockedContent('right', [certificateBag(two.der)])]);
const jks = madeJks([{ certificates: [one.der] }, { key, certificates: [two.der] }]);

test('given a keystore, it is known by its content, and its certificates come out without its key', async () => {
  expect(await keystoreIn(pkcs12, ['right'])).toEqual({
    certificates: [one.der, two.der],
    format: 'pkcs12',
    keyPresent: true,
    problem: undefined,
  });
  expect(await keystoreIn(jks, [])).toEqual({ certificates: [one.der, two.der], format: 'jks', keyPresent: true, problem: undefined });
  for (const other of [one.der, key, Buffer.from('words'), Buffer.alloc(0)]) expect(await keystoreIn(other, ['right'])).toBeUndefined();
});

test('given a key in the place of a certificate, or a certificate with something behind it, neither comes out', async () => {
  const behind = Buffer.concat([one.der, key]);
  for (const octets of [key, behind])
    for (const file of [madePkcs12([plainContent(certificateBag(octets))]), madeJks([{ certificates: [octets] }])])
      expect(await keystoreIn(file, [])).toMatchObject({ certificates: [] });
});

test('given a keystore with anything changed in it, nothing is thrown, and no octets of the key come out', async () => {
  for (const file of [pkcs12, jks])
    await fc.assert(
      fc.asyncProperty(mutatedBytes(file), async (bytes) => {
        const { certificates = [] } = (await keystoreIn(bytes, ['right'])) ?? {};
        for (const der of certificates) expect(der.includes(secret)).toBe(false);
      }),
      { numRuns: 500 },
    );
});
