import fc from 'fast-check';
import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { CaError } from '../error.ts';
import { buildTbsRoot } from '../x509/authority.ts';
import { issuerInfo, signCertificate } from '../x509/leaf.ts';
import { softwareSigner } from '../x509/software-signer.ts';
import { crlEntries, type CrlEntry } from './crl-entries.ts';
import { buildTbsCrl, signCrl } from './crl.ts';
import { publishedEntries } from './published-entries.ts';

const signer = softwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
const second = (seconds: number): Date => new Date(seconds * 1000);

async function listOf(entries: readonly CrlEntry[]): Promise<Uint8Array> {
  const terms = { serial: '1', commonName: 'CA', spki: signer.publicKeySpki, notBefore: second(0), notAfter: second(2e9) };
  const certificate = await signCertificate(signer, buildTbsRoot(signer.algorithm, terms));
  const template = { number: 7n, thisUpdate: second(1e9), nextUpdate: second(1e9 + 3600), point: undefined, entries: crlEntries(entries) };
  return signCrl(signer, buildTbsCrl(issuerInfo(certificate), signer.algorithm, template));
}

const entry = fc.record({
  serial: fc.bigInt({ min: 1n, max: 2n ** 159n - 1n }).map((serial) => serial.toString(16)),
  // 1950 to 2100: both forms of a time.
  revokedAt: fc.integer({ min: -631_152_000, max: 4_102_444_800 }).map(second),
  reason: fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 9),
});

test('what was written is read again: serial, moment and reason of each entry, and of none when there is none', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(entry, { selector: ({ serial }) => serial, maxLength: 40 }), async (entries) => {
      expect([...publishedEntries(await listOf(entries))]).toEqual(entries);
    }),
    { numRuns: 100 },
  );
});

test('a damaged list is refused as our own fault, never read halfway without a word', async () => {
  const list = await listOf([{ serial: 'abc', revokedAt: second(9e8), reason: 1 }]);
  fc.assert(
    fc.property(fc.nat(list.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = Buffer.from(list);
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      try {
        for (const { serial } of publishedEntries(damaged)) expect(serial).toMatch(/^[0-9a-f]+$/);
      } catch (error) {
        expect(error).toBeInstanceOf(CaError);
      }
    }),
    { numRuns: 500 },
  );
  expect(() => [...publishedEntries(list.subarray(0, list.length - 1))]).toThrow(CaError);
});
