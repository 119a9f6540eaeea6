import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A P-256 key and a CSR for dns names, made by openssl. PEM. */
export function makeCsr(names: readonly string[]): { readonly key: string; readonly csr: string } {
  const folder = mkdtempSync(join(tmpdir(), 'certctl-csr-'));
  try {
    const san = names.map((name) => `DNS:${name}`).join(',');
    const args = ['req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key.pem', '-out', 'csr.pem'];
    execFileSync('openssl', [...args, '-subj', `/CN=${names[0] ?? ''}`, '-addext', `subjectAltName=${san}`], {
      cwd: folder,
      stdio: 'ignore',
    });
    return { key: readFileSync(join(folder, 'key.pem'), 'utf8'), csr: readFileSync(join(folder, 'csr.pem'), 'utf8') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
