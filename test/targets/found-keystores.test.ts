import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { toPem } from '#domain/x509/pem.ts';
import { searchCertificates, type SearchResult } from '../../clients/agent/search.ts';
import { has, succeed } from '../interop/tool.ts';
import { make } from '../pki/made-certificate.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'certctl-keystores-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const password = 'secret of a test';
const keytool = (file: string, ...args: readonly string[]): Promise<string> =>
  succeed(
    'keytool',
    ['-J-XX:TieredStopAtLevel=1', '-J-XX:-UsePerfData', ...args, '-keystore', join(folder, file), '-storepass:env', 'STORE'],
    { STORE: password },
  );
const search = (...passwords: readonly string[]): Promise<SearchResult> =>
  searchCertificates([folder], [join(folder, 'work')], passwords, new AbortController().signal);
/** Subject, file, format and whether a key lies there, of each place. */
const placesIn = ({ certificates }: SearchResult): string[] =>
  [...certificates.values()]
    .flatMap(({ der, places }) =>
      places.map(
        ({ path, format, key_present }) =>
          `${new X509Certificate(der).subject} ${path.slice(folder.length + 1)} ${format}${key_present ? ' key' : ''}`,
      ),
    )
    .sort();

/** A certificate of this test's in a file that is not searched. */
function trusted(): string {
  mkdirSync(join(folder, 'work'), { recursive: true });
  const file = join(folder, 'work/trusted.pem');
  writeFileSync(file, toPem('CERTIFICATE', make({ subject: 'trusted', ca: {} }).der));
  return file;
}

test.skipIf(!has('keytool'))(
  'keytool’s stores of each type: the certificates of keys and those that are trusted, beside secret keys',
  async () => {
    const file = trusted();
    const pair = ['-genkeypair', '-keyalg', 'EC', '-dname'];
    await Promise.all(
      (
        [
          ['JKS', 'a.jks', false, []],
          ['JCEKS', 'b.jceks', true, []],
          ['PKCS12', 'c.p12', true, []],
          // As Java 8 did: RC2 with 40 bits, and Triple DES.
          ['PKCS12', 'd.p12', false, ['-J-Dkeystore.pkcs12.legacy']],
        ] as const
      ).map(async ([type, name, secretKeys, more]) => {
        const of = ['-storetype', type, ...more];
        await keytool(name, ...pair, `CN=${name}`, '-alias', 'key', '-keypass:env', 'STORE', ...of);
        if (secretKeys)
          await keytool(name, '-genseckey', '-alias', 'aes', '-keyalg', 'AES', '-keysize', '128', '-keypass:env', 'STORE', ...of);
        await keytool(name, '-importcert', '-noprompt', '-alias', 'trusted', '-file', file, ...of);
        if (secretKeys)
          await keytool(name, '-genseckey', '-alias', 'aes2', '-keyalg', 'AES', '-keysize', '256', '-keypass:env', 'STORE', ...of);
      }),
    );
    const all = ['a.jks jks', 'b.jceks jks', 'c.p12 pkcs12', 'd.p12 pkcs12'].map((place) => `${place} key`);
    const expected = all.flatMap((place) => [`CN=${place.split(' ')[0] ?? ''} ${place}`, `CN=trusted ${place}`]).sort();
    const opened = await search('wrong', password);
    expect([placesIn(opened), opened.errors, opened.complete]).toEqual([expected, [], true]);
    // Java's own format has its certificates in the clear.
    const closed = await search('wrong');
    expect(placesIn(closed)).toEqual(expected.filter((place) => place.includes(' jks ')));
    expect([closed.errors.map((error) => error.slice(folder.length + 1, folder.length + 6)).sort(), closed.complete]).toEqual([
      ['c.p12', 'd.p12'],
      false,
    ]);
  },
);

const cacerts = '/etc/ssl/certs/java/cacerts';
test.skipIf(!has('keytool') || !existsSync(cacerts))('Java’s own truststore: as many certificates as keytool lists', async () => {
  const listed = await succeed('keytool', ['-list', '-keystore', cacerts, '-storepass', 'changeit']);
  const found = await searchCertificates(['/etc/ssl/certs/java'], [], [], new AbortController().signal);
  expect([found.certificates.size, found.errors]).toEqual([listed.match(/trustedCertEntry/g)?.length, []]);
});

test.skipIf(!has('pk12util'))(
  'what NSS exports, which is BER and wants 600,000 iterations: it is read with the second password',
  async () => {
    const file = trusted();
    const [work, database] = [join(folder, 'work'), `sql:${join(folder, 'work')}`];
    const { der, key } = make({ subject: 'of NSS' });
    writeFileSync(join(work, 'leaf.pem'), toPem('CERTIFICATE', der) + key.export({ format: 'pem', type: 'pkcs8' }).toString());
    const source = join(work, 'source.p12');
    execFileSync('openssl', [
      'pkcs12',
      '-export',
      '-in',
      join(work, 'leaf.pem'),
      '-certfile',
      file,
      '-name',
      'site',
      '-out',
      source,
      '-passout',
      `pass:${password}`,
    ]);
    execFileSync('certutil', ['-N', '-d', database, '--empty-password']);
    await succeed('pk12util', ['-i', source, '-d', database, '-W', password]);
    await succeed('pk12util', ['-o', join(folder, 'nss.p12'), '-n', 'site', '-d', database, '-W', password]);
    const found = await search('wrong', password);
    expect([placesIn(found), found.errors]).toEqual([['CN=of NSS nss.p12 pkcs12 key'], []]);
  },
);
