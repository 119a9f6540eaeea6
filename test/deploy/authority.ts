import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A private authority with one server certificate, in a folder of its own. */
export interface TestAuthority {
  readonly folder: string;
  /** PEM files. */
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  remove(): void;
}

/** Makes an authority and a certificate for servers of this machine, with openssl. @param names DNS names and IP addresses */
export function testAuthority(names: { readonly dns: readonly string[]; readonly ip: readonly string[] }): TestAuthority {
  const folder = mkdtempSync(join(tmpdir(), 'authority-'));
  const file = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Test authority');
  openssl('req', ...newKey, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=localhost');
  const alternatives = [...names.dns.map((name) => `DNS:${name}`), ...names.ip.map((address) => `IP:${address}`)].join(',');
  writeFileSync(file('server.ext'), `subjectAltName=${alternatives}\nextendedKeyUsage=serverAuth\n`);
  const issue = ['-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'];
  openssl('x509', ...issue, '-extfile', 'server.ext', '-out', 'server.pem');
  return {
    folder,
    caFile: file('ca.pem'),
    certificateFile: file('server.pem'),
    keyFile: file('server.key'),
    ca: readFileSync(file('ca.pem'), 'utf8'),
    certificate: readFileSync(file('server.pem'), 'utf8'),
    key: readFileSync(file('server.key'), 'utf8'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
