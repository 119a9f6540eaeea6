import { expect, test } from 'vitest';
import { make } from '../../test/pki/made-certificate.ts';
import { madeJks, sealedKey } from '../../test/pki/made-jks.ts';
import { isJks, readJks } from './jks.ts';

const [one, two, three] = [make({}).der, make({}).der, make({}).der];
const key = Buffer.from('a protected key');

test.each([1, 2] as const)(
  'given a Java keystore of version %i, the certificates of all entries are read, and keys passed over',
  (version) => {
    const file = madeJks([{ certificates: [one] }, { key, certificates: [two, three] }], version);
    expect([isJks(file), readJks(file)]).toEqual([true, { certificates: [one, two, three], keyPresent: true, problem: undefined }]);
    const trust = madeJks([{ certificates: [one] }], version);
    expect(readJks(trust)).toMatchObject({ certificates: [one], keyPresent: false });
  },
);

test('given certificates of another type, they are passed over', () => {
  const file = madeJks([{ certificates: [Buffer.from('PGP')], type: 'PGP' }, { certificates: [one] }]);
  expect(readJks(file)).toMatchObject({ certificates: [one], problem: undefined });
});

test('given secret keys between certificates, which have no length before them, they are passed over by their shape', () => {
  const file = madeJks([
    { certificates: [], secretKey: sealedKey },
    { certificates: [one] },
    { certificates: [], secretKey: sealedKey },
    { certificates: [two] },
  ]);
  expect(readJks(file)).toEqual({ certificates: [one, two], keyPresent: false, problem: undefined });
  const other = Buffer.from(sealedKey);
  // A class that writes itself has no shape that is known.
  other[sealedKey.indexOf('0200007872', 0, 'hex')] = 3;
  expect(readJks(madeJks([{ certificates: [one] }, { certificates: [], secretKey: other }]))).toMatchObject({
    certificates: [one],
    problem: { fault: 'damaged' },
  });
});

test('given a keystore that ends too early, or claims what it has not, what comes before is read, and it is said', () => {
  const file = madeJks([{ certificates: [one] }, { certificates: [two] }]);
  const entries = Buffer.from(file);
  entries.writeUInt32BE(3, 8);
  const many = Buffer.from(file);
  many.writeUInt32BE(0xffffffff, 8);
  for (const [bytes, found, fault] of [
    [file.subarray(0, file.length - 40), [one], 'damaged'],
    [file.subarray(0, file.length - 1), [one, two], 'damaged'],
    [entries, [one, two], 'damaged'],
    [many, [], 'unknown'],
    [madeJks(Array.from({ length: 501 }, () => ({ certificates: [one] }))), Array.from({ length: 500 }, () => one), 'unknown'],
  ] as const) {
    const { certificates, problem } = readJks(bytes);
    expect([certificates, problem?.fault]).toEqual([found, fault]);
  }
});

test('given other files, they are no Java keystore', () => {
  for (const hex of ['', 'feedfeed', 'feedface0000000200000000', 'feedfeed0000000300000000', '308205aa3082'])
    expect(isJks(Buffer.from(hex, 'hex'))).toBe(false);
});
