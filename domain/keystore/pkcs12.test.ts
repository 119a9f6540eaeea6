import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toPem } from '#domain/x509/pem.ts';
import { make } from '../../test/pki/made-certificate.ts';
import { certificateBag, keyBag, lockedContent, madePkcs12, nestedBag, plainContent } from '../../test/pki/made-pkcs12.ts';
import { rfc9579 } from '../../test/pki/rfc9579.ts';
import { isPkcs12, readPkcs12 } from './pkcs12.ts';

const [leaf, chain] = [make({}), make({ ca: {} })];
const key = leaf.key.export({ format: 'der', type: 'pkcs8' });
const read = async (bytes: Buffer, passwords: readonly string[] = ['wrong', 'right'], iterations?: number) => {
  const { certificates, keyPresent, problem } = await readPkcs12(bytes, passwords, iterations);
  return {
    certificates: certificates.map((der) => [leaf, chain].findIndex((made) => made.der.equals(der))),
    keyPresent,
    problem: problem?.fault,
  };
};

// ---- what OpenSSL writes ----

let home = '';
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'certctl-pkcs12-'));
  writeFileSync(join(home, 'leaf.pem'), toPem('CERTIFICATE', leaf.der));
  writeFileSync(join(home, 'chain.pem'), toPem('CERTIFICATE', chain.der));
  writeFileSync(join(home, 'key.pem'), toPem('PRIVATE KEY', key));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const hasLegacy = spawnSync('openssl', ['list', '-providers', '-provider', 'legacy']).status === 0;
const exported = (password: string, ...options: readonly string[]): Buffer => {
  const file = join(home, 'out.p12');
  const names = ['-inkey', join(home, 'key.pem'), '-in', join(home, 'leaf.pem'), '-certfile', join(home, 'chain.pem'), '-out', file];
  execFileSync('openssl', ['pkcs12', '-export', ...names, '-passout', `pass:${password}`, ...options], { stdio: 'pipe' });
  return readFileSync(file);
};
const whole = { certificates: [0, 1], keyPresent: true, problem: undefined };

test.each([
  ['its defaults', []],
  ...['aes-128-cbc', 'aes-192-cbc', 'aes-256-cbc', 'des-ede3-cbc', 'PBE-SHA1-3DES', 'PBE-SHA1-2DES', 'NONE'].map((cipher) => [
    `certificates ${cipher}`,
    ['-certpbe', cipher],
  ]),
  ...['sha1', 'sha224', 'sha384', 'sha512'].map((digest) => [`a MAC of ${digest}`, ['-macalg', digest]]),
  ['no MAC', ['-nomac', '-certpbe', 'aes-256-cbc']],
  ['a key in the clear', ['-keypbe', 'NONE']],
  ['nothing encrypted', ['-keypbe', 'NONE', '-certpbe', 'NONE', '-nomac']],
  ['one iteration', ['-noiter', '-nomaciter']],
] as [string, string[]][])('given a file of openssl with %s, its certificates are read and its key is noted', async (_, options) => {
  const file = exported('right', ...options);
  expect([isPkcs12(file), await read(file)]).toEqual([true, whole]);
});

test.skipIf(!hasLegacy).each([
  ['its defaults', []],
  ['RC2 of 40 bits', ['-certpbe', 'PBE-SHA1-RC2-40']],
  ['RC2 of 128 bits', ['-certpbe', 'PBE-SHA1-RC2-128']],
])('given a file of openssl -legacy with %s, as OpenSSL 1 and Java 8 wrote, it is read', async (_, options) => {
  expect(await read(exported('right', '-legacy', ...options))).toEqual(whole);
});

test.skipIf(!hasLegacy)('given certificates under RC4, this is said, and the key is noted', async () => {
  const { problem, keyPresent } = await readPkcs12(exported('right', '-legacy', '-certpbe', 'PBE-SHA1-RC4-128'), ['right']);
  expect([problem?.fault, problem?.message, keyPresent]).toEqual([
    'unknown',
    'it is encrypted with RC4 with 128 bits, which is not read',
    true,
  ]);
});

test.each(['right', 'Grüße, 世界 🔑', ' ', ''])(
  'given the password %j, it opens what it made, in each of the two encodings',
  async (password) => {
    for (const cipher of ['aes-256-cbc', 'PBE-SHA1-3DES'])
      expect(await read(exported(password, '-certpbe', cipher), ['other', password])).toEqual(whole);
  },
);

test('given a truststore without a key, it has none', async () => {
  const file = join(home, 'trust.p12');
  execFileSync('openssl', ['pkcs12', '-export', '-nokeys', '-in', join(home, 'chain.pem'), '-out', file, '-passout', 'pass:right']);
  expect(await read(readFileSync(file))).toEqual({ certificates: [1], keyPresent: false, problem: undefined });
});

test('given no password that is right, it is locked; a key in the clear beside it is noted', async () => {
  for (const options of [[], ['-certpbe', 'PBE-SHA1-3DES'], ['-nomac', '-certpbe', 'aes-256-cbc']])
    expect(await read(exported('right', ...options), ['wrong', 'Right', ''])).toEqual({
      certificates: [],
      keyPresent: true,
      problem: 'locked',
    });
});

// ---- what others write ----

test('given the file of RFC 9579 with PBMAC1, it is read, and known as changed where the MAC is another', async () => {
  const valid = Buffer.from(rfc9579, 'base64');
  const { certificates, keyPresent, problem } = await readPkcs12(valid, ['1234']);
  expect([certificates.length, keyPresent, problem]).toEqual([1, true, undefined]);
  const changed = Buffer.from(valid);
  const mac = valid.indexOf('7aa56d8539d702363f3bcd2eb83545c6', 0, 'hex');
  changed[mac] = (changed[mac] ?? 0) ^ 1;
  const found = await readPkcs12(changed, ['1234']);
  expect([found.certificates.length, found.problem?.fault]).toEqual([1, 'damaged']);
});

test.each([false, true])('given BER instead of DER (%s), bags in bags, and contents in the clear and not, all is read', async (ber) => {
  const contents = [
    plainContent(nestedBag(nestedBag(certificateBag(leaf.der)))),
    lockedContent('right', [certificateBag(chain.der), keyBag(key)]),
  ];
  const file = madePkcs12(contents, { ber, macPassword: 'right' });
  expect([isPkcs12(file), await read(file)]).toEqual([true, whole]);
});

test('given two contents with a password each, and a MAC with a third, all are tried on each', async () => {
  const contents = [lockedContent('one', [certificateBag(leaf.der)]), lockedContent('two', [certificateBag(chain.der)])];
  const file = madePkcs12(contents, { macPassword: 'three' });
  expect(await read(file, ['three', 'two', 'one'])).toEqual({ ...whole, keyPresent: false });
  expect(await read(file, ['two', 'one'])).toEqual({ certificates: [0, 1], keyPresent: false, problem: 'damaged' });
  expect(await read(file, ['three', 'two'])).toEqual({ certificates: [1], keyPresent: false, problem: 'locked' });
});

test('given a file that claims millions of iterations, it is not worked on, and says so', async () => {
  const contents = [plainContent(certificateBag(leaf.der)), lockedContent('right', [certificateBag(chain.der)], 2_000_000_000)];
  const { certificates, problem } = await readPkcs12(madePkcs12(contents), ['right']);
  expect([certificates.length, problem?.message]).toEqual([1, 'to try the passwords takes more than 5000000 iterations']);
  // All passwords have the same work between them.
  const many = madePkcs12([lockedContent('right', [certificateBag(leaf.der)])]);
  expect(await read(many, ['1', '2', 'right'], 29)).toMatchObject({ problem: 'costly' });
  expect(await read(many, ['1', '2', 'right'], 30)).toMatchObject({ certificates: [0], problem: undefined });
});

test('given a MAC that wants too many iterations, the certificates are believed without it', async () => {
  const file = madePkcs12([lockedContent('right', [certificateBag(leaf.der)])], { macPassword: 'right' });
  expect(await read(file, ['right'], 15)).toEqual({ certificates: [0], keyPresent: false, problem: undefined });
});

test.each([
  ['more certificates than are read', () => Array.from({ length: 501 }, () => certificateBag(leaf.der)), 'unknown', 500],
  [
    'bags in bags in bags',
    () => [Array.from({ length: 8 }).reduce<Buffer>((inner) => nestedBag(inner), certificateBag(leaf.der))],
    'damaged',
    0,
  ],
  ['what is no bag', () => [leaf.der], 'damaged', 0],
])('given %s, this is said', async (_, bags, fault, certificates) => {
  const found = await readPkcs12(madePkcs12([plainContent(...bags())]), []);
  expect([found.problem?.fault, found.certificates.length]).toEqual([fault, certificates]);
});

test('given a certificate, a key or words, it is no PKCS#12 file', () => {
  for (const bytes of [leaf.der, key, Buffer.from('words'), Buffer.alloc(0), Buffer.of(0x30), Buffer.from('30030201033000', 'hex')])
    expect(isPkcs12(bytes)).toBe(false);
});
