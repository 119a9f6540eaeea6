import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mutatedBytes } from '../../test/mutated-bytes.ts';
import { make } from '../../test/pki/made-certificate.ts';
import { madeJks, sealedKey } from '../../test/pki/made-jks.ts';
import { certificateBag, keyBag, lockedContent, madePkcs12, nestedBag, plainContent } from '../../test/pki/made-pkcs12.ts';
import { isJks, readJks } from './jks.ts';
import type { Keystore } from './keystore.ts';
import { isPkcs12, readPkcs12 } from './pkcs12.ts';

const [one, two] = [make({}), make({})];
const key = one.key.export({ format: 'der', type: 'pkcs8' });
const contents = [
  plainContent(nestedBag(certificateBag(one.der)), keyBag(key)),
  lockedContent('right', [certificateBag(two.der), keyBag(key)]),
];
const jks = madeJks([{ certificates: [one.der] }, { certificates: [], secretKey: sealedKey }, { key, certificates: [two.der] }]);

/** Whatever was done to a file: an error that is known, and few certificates, none of which is larger than the file. */
function judge(bytes: Buffer, { certificates, problem }: Keystore): void {
  expect([undefined, 'locked', 'costly', 'unknown', 'damaged']).toContain(problem?.fault);
  expect(certificates.length).toBeLessThanOrEqual(500);
  for (const der of certificates) expect(der.length).toBeLessThan(bytes.length);
}

test.each([
  ['DER', madePkcs12(contents, { macPassword: 'right' })],
  ['BER', madePkcs12(contents, { ber: true, macPassword: 'right' })],
])('given a PKCS#12 file in %s with anything changed in it, nothing is thrown, and the work is bounded', async (_, file) => {
  expect((await readPkcs12(file, ['right'])).certificates).toEqual([one.der, two.der]);
  const hostile = async (bytes: Uint8Array): Promise<void> => {
    const buffer = Buffer.from(bytes);
    isPkcs12(buffer);
    judge(buffer, await readPkcs12(buffer, ['wrong', 'right'], 1000));
  };
  await fc.assert(fc.asyncProperty(mutatedBytes(file), hostile), { numRuns: 1500 });
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 500 }), hostile));
});

test('given a Java keystore with anything changed in it, nothing is thrown', () => {
  expect(readJks(jks).certificates).toEqual([one.der, two.der]);
  const hostile = (bytes: Uint8Array): void => {
    const buffer = Buffer.from(bytes);
    isJks(buffer);
    judge(buffer, readJks(buffer));
  };
  fc.assert(fc.property(mutatedBytes(jks), hostile), { numRuns: 3000 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 500 }), hostile));
});
