import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mutatedBytes } from '../../test/mutated-bytes.ts';
import { asBer } from '../../test/pki/made-pkcs12.ts';
import { definite } from './ber.ts';
import { boolean, DerError, integer, octetString, sequence } from './der.ts';

const { tree } = fc.letrec<{ tree: Buffer }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small' },
    fc.nat().map(integer),
    fc.boolean().map(boolean),
    fc.uint8Array({ maxLength: 300 }).map(octetString),
    fc.array(tie('tree'), { maxLength: 5 }).map((parts) => sequence(...parts)),
  ),
}));
const shallow = tree.filter((der) => der.length < 5000);

test('given any DER with its lengths made indefinite and its strings cut in pieces, the same DER comes back (X.690 §8)', () => {
  fc.assert(
    fc.property(shallow, (der) => {
      expect([definite(asBer(der)), definite(der)]).toEqual([der, der]);
    }),
  );
});

test('given hostile bytes, nothing but DerError is thrown', () => {
  const only = (bytes: Uint8Array): void => {
    try {
      definite(Buffer.from(bytes));
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
    }
  };
  const valid = asBer(sequence(octetString(Buffer.alloc(20, 1)), sequence(integer(5), sequence(octetString(Buffer.alloc(3))))));
  fc.assert(fc.property(mutatedBytes(valid), only), { numRuns: 3000 });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), only));
});

test.each([
  ['no end', '3080020100'],
  ['no end in a string', '30802480040101'],
  ['a number in a string', '24800201010000'],
  ['an indefinite length of a number', '028001010000'],
  ['four gigabytes', '3084ffffffff00'],
  ['a length that is longer', '3085000000000100'],
  ['something behind it', '3080000000'],
  ['thirty elements in each other', '3080'.repeat(30) + '0000'.repeat(30)],
  ['a string of thirty strings', '2480'.repeat(30) + '0000'.repeat(30)],
])('given %s, it is refused', (_, hex) => {
  expect(() => definite(Buffer.from(hex, 'hex'))).toThrow(DerError);
});

test('given a million elements, it ends soon', () => {
  expect(() => definite(Buffer.concat([Buffer.of(0x30, 0x80), Buffer.alloc(2_000_000, '0500', 'hex'), Buffer.alloc(2)]))).toThrow(
    'too many elements',
  );
});
