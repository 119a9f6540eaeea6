import { generateKeyPairSync, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bitString, der, explicit, integer, integerFromHex, octetString, oid, sequence, Tag, time } from '../asn1/der.ts';
import { writeExtension } from '../x509/extension.ts';
import { writeGeneralName } from '../x509/general-name.ts';
import { authorityKey, type IssuerInfo } from '../x509/leaf.ts';
import { writeName } from '../x509/name.ts';
import { Oid } from '../x509/oids.ts';
import { keyIdentifier } from '../x509/public-key.ts';
import { algorithmIdentifier } from '../x509/signer.ts';
import { crlEntries, type CrlEntry } from './crl-entries.ts';
import { lintTbsCrl } from './crl-lint.ts';
import { buildTbsCrl, crlHeader } from './crl.ts';
import { octetSet } from './octet-set.ts';

const spki = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' });
const issuer: IssuerInfo = {
  subject: writeName({ commonName: 'Issuing' }),
  keyIdentifier: keyIdentifier(spki),
  notBefore: new Date(0),
  notAfter: new Date(Date.UTC(2090, 0)),
  spki,
};
const thisUpdate = new Date(Date.UTC(2026, 10, 25));
const nextUpdate = new Date(Date.UTC(2026, 10, 26));
const entry = (serial: string, more: Partial<CrlEntry> = {}): CrlEntry => ({ serial, revokedAt: thisUpdate, reason: 1, ...more });
const build = (entries: readonly CrlEntry[], more: object = {}): Uint8Array =>
  buildTbsCrl(issuer, 'ecdsa-p256-sha256', { number: 7n, thisUpdate, nextUpdate, entries: crlEntries(entries), point: undefined, ...more });
const rulesOf = (tbs: Uint8Array, of = issuer, point?: string): string[] => lintTbsCrl(tbs, { issuer: of, point }).map(({ rule }) => rule);

/** The parts of a TBSCertList, any of which a case replaces. */
function written(parts: {
  version?: Uint8Array;
  algorithm?: Uint8Array;
  entries?: readonly Uint8Array[];
  extensions?: readonly Uint8Array[];
}): Uint8Array {
  const number = writeExtension(Oid.cRLNumber, false, integer(7));
  return sequence(
    parts.version ?? integer(1),
    parts.algorithm ?? algorithmIdentifier['ecdsa-p256-sha256'],
    issuer.subject,
    time(thisUpdate),
    time(nextUpdate),
    ...(parts.entries === undefined ? [] : [sequence(...parts.entries)]),
    explicit(0, sequence(...(parts.extensions ?? [authorityKey(issuer.keyIdentifier), number]))),
  );
}

test('given what the builder builds, of no entries, few or many, the linter finds nothing', () => {
  expect(rulesOf(build([]))).toEqual([]);
  expect(rulesOf(build([entry('1'), entry('ff', { reason: 0 }), entry('f'.repeat(39))]))).toEqual([]);
  const many = Array.from({ length: 150_000 }, () => entry(randomBytes(15).toString('hex').replace(/^0+/, '1')));
  const tbs = build(many);
  expect(rulesOf(tbs)).toEqual([]);
  expect(crlHeader(sequence(tbs, algorithmIdentifier['ecdsa-p256-sha256'], bitString(Buffer.alloc(8)))).number).toBe(7n);
});

test.each<[string, Uint8Array]>([
  ['crl_version_2', written({ version: integer(0) })],
  ['crl_signature_known', written({ algorithm: sequence(oid('1.2.840.113549.1.1.5')) })],
  ['crl_validity_order', build([], { nextUpdate: thisUpdate })],
  ['crl_aki_present', written({ extensions: [writeExtension(Oid.cRLNumber, false, integer(7))] })],
  ['crl_list_not_empty', written({ entries: [] })],
  ['crl_serial', build([entry('f'.repeat(40))])],
  ['crl_serial', written({ entries: [sequence(der(Tag.integer, Buffer.of(0x80)), time(thisUpdate))] })],
  ['crl_serial_unique', build([entry('1'), entry('2'), entry('1', { reason: 4 })])],
  ['crl_revoked_before', build([entry('1'), entry('2', { revokedAt: new Date(nextUpdate.getTime() + 1000) })])],
  [
    'crl_entry_extension',
    written({
      entries: [
        sequence(integerFromHex('1'), time(thisUpdate), sequence(writeExtension(Oid.cRLReason, false, der(Tag.enumerated, Buffer.of(1))))),
        sequence(integerFromHex('2'), time(thisUpdate), sequence(writeExtension('1.2.3.4', false, octetString(Buffer.alloc(1))))),
      ],
    }),
  ],
  ['crl_der', written({ entries: [sequence(integerFromHex('1'))] })],
  ['crl_der', written({ entries: [sequence(integerFromHex('1'), time(thisUpdate), sequence(), sequence())] })],
  ['crl_der', written({ entries: [sequence(integerFromHex('1'), octetString(Buffer.from('261125000000Z')))] })],
  ['crl_der', written({ extensions: [authorityKey(issuer.keyIdentifier)] })],
])('given a CRL that breaks it, rule %s says so', (rule, tbs) => {
  expect(rulesOf(tbs)).toContain(rule);
}); // prettier-ignore

test('given the CRL of another CA, rule crl_issuer_matches says so', () => {
  expect(rulesOf(build([]), { ...issuer, subject: writeName({ commonName: 'Other' }) })).toEqual(['crl_issuer_matches']);
});

test('given a shard’s CRL, it must name that shard, critically, and no other; a complete one names none', () => {
  const [first, second] = ['http://pki.test/crl/ca/1.crl', 'http://pki.test/crl/ca/2.crl'];
  const tbs = build([entry('1')], { point: first });
  expect(rulesOf(tbs, issuer, first)).toEqual([]);
  expect(crlHeader(sequence(tbs, algorithmIdentifier['ecdsa-p256-sha256'], bitString(Buffer.alloc(8)))).point).toBe(first);
  expect([rulesOf(tbs, issuer, second), rulesOf(tbs), rulesOf(build([]), issuer, first)]).toEqual([
    ['crl_scope'],
    ['crl_scope'],
    ['crl_scope'],
  ]);
  const extensions = [authorityKey(issuer.keyIdentifier), writeExtension(Oid.cRLNumber, false, integer(7))];
  const name = explicit(0, explicit(0, writeGeneralName({ type: 'uri', value: first })));
  const uncritical = written({ extensions: [...extensions, writeExtension(Oid.issuingDistributionPoint, false, sequence(name))] });
  expect(rulesOf(uncritical, issuer, first)).toEqual(['crl_scope']);
});

test.each(['', '0F', 'G', 'FF', ' 1', '00', '01', 'f'.repeat(41)])('given the malformed serial %j, no CRL is built', (serial) => {
  expect(() => crlEntries([entry(serial)])).toThrow('a revoked serial is malformed');
});

test('given octets in any order and number, the set tells exactly those that came before', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 3 }), { maxLength: 600 }), (all) => {
      const set = octetSet(2);
      const seen = new Set<string>();
      for (const octets of all) {
        const key = Buffer.from(octets).toString('hex');
        expect(set.add(octets, 0, octets.length)).toBe(!seen.has(key));
        seen.add(key);
      }
    }),
  );
});
