import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toPem } from '#domain/x509/pem.ts';
import { make } from '../../test/pki/made-certificate.ts';
import { madeJks } from '../../test/pki/made-jks.ts';
import { certificateBag, keyBag, lockedContent, madePkcs12, plainContent } from '../../test/pki/made-pkcs12.ts';
import { searchCertificates, searchLimits, type SearchLimits } from './search.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'certctl-search-'));
  mkdirSync(join(root, 'in/deep'), { recursive: true });
  mkdirSync(join(root, 'out'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const pem = (): string => toPem('CERTIFICATE', make({}).der);
const put = (path: string, content: string | Buffer): void => writeFileSync(join(root, path), content);
const search = (limits: Partial<SearchLimits> = {}, leftOut: readonly string[] = []) =>
  searchCertificates(
    [join(root, 'in')],
    leftOut.map((path) => join(root, path)),
    ['right', 'changeit', ''],
    new AbortController().signal,
    { ...searchLimits, ...limits },
  );
const pathsOf = ({ certificates }: Awaited<ReturnType<typeof search>>): string[] =>
  [...certificates.values()].flatMap(({ places }) => places.map(({ path }) => path.slice(root.length + 1))).sort();

test('given PEM and DER under any name, in any depth, each certificate is found once with all of its places', async () => {
  const twice = pem();
  put('in/site.pem', twice);
  put('in/deep/tls.crt', twice);
  put('in/deep/no-ending', pem());
  put('in/ca.der', make({ ca: {} }).der);
  put('in/words.txt', 'no certificate');
  const found = await search();
  expect(pathsOf(found)).toEqual(['in/ca.der', 'in/deep/no-ending', 'in/deep/tls.crt', 'in/site.pem']);
  expect([found.certificates.size, found.errors, found.complete]).toEqual([3, [], true]);
});

test('given keystores under any name, their certificates are found as those of other files are, with the passwords that there are', async () => {
  const { der, key } = make({});
  const pkcs8 = key.export({ format: 'der', type: 'pkcs8' });
  put('in/server', madePkcs12([lockedContent('right', [certificateBag(der), keyBag(pkcs8)])]));
  put('in/deep/trust.p12', madePkcs12([lockedContent('changeit', [certificateBag(der)])]));
  put('in/cacerts', madeJks([{ certificates: [der] }]));
  put('in/site.pem', toPem('CERTIFICATE', der));
  const { certificates, errors, complete } = await search();
  expect([certificates.size, errors, complete]).toEqual([1, [], true]);
  const places = [...certificates.values()].flatMap((each) => each.places);
  expect(places.map(({ path, format, key_present }) => `${path.slice(root.length + 1)} ${format} ${key_present}`).sort()).toEqual([
    'in/cacerts jks false',
    'in/deep/trust.p12 pkcs12 false',
    'in/server pkcs12 true',
    'in/site.pem pem false',
  ]);
});

test('given a keystore that no password opens, what lies in it in the clear is found, and the rest is not taken for missing', async () => {
  const [one, two] = [make({}).der, make({}).der];
  put('in/half.p12', madePkcs12([plainContent(certificateBag(one)), lockedContent('another', [certificateBag(two)])]));
  put('in/broken.jks', madeJks([{ certificates: [two] }]).subarray(0, 30));
  const { certificates, errors, complete } = await search();
  expect([certificates.size, complete]).toEqual([1, false]);
  expect([...errors].sort()).toEqual([
    `${join(root, 'in/broken.jks')}: a Java keystore that is damaged: it ends too early`,
    `${join(root, 'in/half.p12')}: none of the passwords opens it: name the secret that holds its password in discovery_passwords, or the file in discovery_exclude`,
  ]);
});

test('given links to files, folders and back to itself, none is followed', async () => {
  put('out/secret.pem', pem());
  symlinkSync(join(root, 'out/secret.pem'), join(root, 'in/file.pem'));
  symlinkSync(join(root, 'out'), join(root, 'in/folder'));
  symlinkSync(join(root, 'in'), join(root, 'in/deep/loop'));
  expect(pathsOf(await search())).toEqual([]);
});

test('given files that are keys, pipes, too large, or left out by the host, they are not read', async () => {
  put('in/site.key', pem());
  put('in/.site.crt.certctl-bak.1', pem());
  put('in/large.pem', pem() + ' '.repeat(5000));
  put('in/deep/other.pem', pem());
  execFileSync('mkfifo', [join(root, 'in/pipe.pem')]);
  expect(pathsOf(await search({ fileBytes: 4096 }, ['in/deep']))).toEqual([]);
});

test.each([
  ['files', { files: 2 }, '2 files were read'],
  ['certificates', { certificates: 2 }, '2 certificates were found'],
  ['bytes', { bytes: 1 }, '1 bytes were read'],
  ['time', { milliseconds: -1 }, 'the search took'],
])('given more %s than the limit, the search ends and says so', async (_, limits, said) => {
  for (const n of [1, 2, 3, 4]) put(`in/${n}.pem`, pem());
  const { certificates, errors, complete } = await search(limits);
  expect([certificates.size < 3, complete]).toEqual([true, false]);
  expect(errors).toEqual([expect.stringContaining(said)]);
});

test('given folders that lie too deep, or that are not there, this is said, and the rest is searched', async () => {
  put('in/deep/site.pem', pem());
  put('in/site.pem', pem());
  const { certificates, errors } = await search({ depth: 0 });
  expect([certificates.size, errors]).toEqual([1, [expect.stringContaining('lies deeper')]]);
  const none = await searchCertificates([join(root, 'nowhere')], [], [], new AbortController().signal);
  expect(none).toMatchObject({ errors: [`${join(root, 'nowhere')}: ENOENT`], complete: true });
});
