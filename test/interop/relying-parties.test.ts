import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, startPlatform, until, type Platform } from '../platform.ts';
import { issueBelow, makeChild, makeRoot, type Authority } from '../revocation/hierarchy.ts';
import { publishedList, serialOf } from '../revocation/status.ts';
import { has, run, succeed } from './tool.ts';

// What others than openssl make of a good and of a revoked certificate, each by its own reading of CRL and OCSP.
let platform: Platform;
let issuing: Authority;
let folder: string;
const file = (name: string): string => join(folder, `${name}.pem`);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'relying-'));
  platform = await startPlatform();
  const root = await makeRoot(platform);
  issuing = await makeChild(platform, root);
  const [good, revoked] = await issueBelow(platform, issuing, 2);
  await api(platform, 'POST', `/api/v1/certificates/${revoked!.id}/revoke`, { reason: 'superseded' });
  await until('it is listed', async () => (await publishedList(platform, issuing.id)).entries.has(serialOf(revoked!)) || undefined);
  writeFileSync(file('root'), root.certificate);
  writeFileSync(file('issuing'), issuing.certificate);
  writeFileSync(file('good'), good!.leaf);
  writeFileSync(file('revoked'), revoked!.leaf);
});
afterAll(async () => {
  await platform.stop();
  rmSync(folder, { recursive: true, force: true });
});

test.skipIf(!has('javac'))('Java finds the one good and the other revoked, by OCSP with its nonce and by CRL', async () => {
  const said = await succeed('java', [
    '-Dcom.sun.security.enableCRLDP=true',
    '-Djdk.security.certpath.ocspNonce=true',
    'test/interop/java/Validate.java',
    ...['root', 'issuing', 'good', 'revoked'].map(file),
  ]);
  expect(said.trim().split('\n')).toEqual(['ocsp GOOD', 'crl GOOD', 'ocsp REVOKED', 'crl REVOKED']);
});

test.skipIf(!has('vfychain'))('NSS finds the one good and the other revoked, by OCSP and by CRL', async () => {
  const store = `sql:${join(folder, 'nss')}`;
  mkdirSync(join(folder, 'nss'));
  await succeed('certutil', ['-N', '-d', store, '--empty-password']);
  for (const [name, trust] of [['root', 'CT,C,C'], ['issuing', ',,'], ['good', ',,'], ['revoked', ',,']] as const)
    await succeed('certutil', ['-A', '-d', store, '-n', name, '-t', trust, '-i', file(name)]); // prettier-ignore
  for (const method of ['ocsp', 'crl']) {
    const chain = (name: string): ReturnType<typeof run> => run('vfychain', ['-d', store, '-u', '1', '-pp', '-g', 'leaf', '-m', method, '-s', 'failIfNoInfo', name]); // prettier-ignore
    expect((await chain('good')).output).toContain('Chain is good!');
    expect((await chain('revoked')).output).toContain("Peer's Certificate has been revoked");
  }
});

test.skipIf(!has('ocsptool'))('GnuTLS asks with a nonce and finds the one good and the other revoked', async () => {
  for (const name of ['good', 'revoked']) {
    const said = await succeed('ocsptool', ['--ask', '--nonce', '--load-cert', file(name), '--load-issuer', file('issuing')]);
    expect(said).toContain('Verifying OCSP Response: Success');
    expect(said).toContain(`Certificate Status: ${name}`);
  }
});

test.skipIf(!has('botan'))('Botan asks OCSP and finds the one good and the other revoked', async () => {
  const said = (name: string): ReturnType<typeof run> => run('botan', ['ocsp_check', file(name), file('issuing')]);
  expect([(await said('good')).output.trim(), (await said('revoked')).output.trim()]).toEqual([
    'OCSP check OK',
    'OCSP check failed Certificate is revoked',
  ]);
});

test.skipIf(!has('pki'))(
  'strongSwan asks OCSP for the certificate and for its CA, and finds the one good and the other revoked',
  async () => {
    const said = async (name: string): Promise<string> => {
      const args = ['--verify', '--online', '--cacert', file('root'), '--cacert', file('issuing'), '--in', file(name)];
      return (await run('pki', args)).output;
    };
    const good = await said('good');
    expect(good.match(/ocsp response correctly signed/g)).toHaveLength(2);
    expect(good).toContain('certificate trusted, lifetimes valid, certificate not revoked');
    expect(await said('revoked')).toMatch(/certificate was revoked on .*, reason: superseded/);
  },
);

test.skipIf(!has('wget'))('wget fetches a CRL, and fetches it again when there is another one alone', async () => {
  const url = `${platform.pkiUrl}/.well-known/pki/crl/${issuing.id}.crl`;
  const wget = (): Promise<string> => succeed('wget', ['--timestamping', '--no-verbose', '--server-response', '-P', folder, url]);
  expect(await wget()).toContain('HTTP/1.1 200');
  expect(await wget()).toContain('304 Not Modified');
  expect(statSync(join(folder, `${issuing.id}.crl`)).size).toBeGreaterThan(100);
});
