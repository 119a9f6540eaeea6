import { createHash, createPrivateKey, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto';
import { link, readdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentKeyAlgorithm } from '#domain/agent/key-algorithm.ts';
import { makeLeafKey } from '#domain/agent/make-key.ts';
import { privateFolder, removeFile, syncFolder, writeNew } from './state-file.ts';

/** The private keys of this host, which never leave it: one folder for each certificate, one file for each CSR job. */
export interface KeyStore {
  /** The key of a job: made now, or by an attempt that died since. */
  keyFor(certificateId: string, jobId: string, algorithm: AgentKeyAlgorithm): Promise<KeyObject>;
  /** The CSR that was made of a job's key; the same for every attempt. */
  csrFor(certificateId: string, jobId: string, make: () => Buffer): Promise<Buffer>;
  /** A job came to nothing: its key is worth nothing. */
  discard(certificateId: string, jobId: string): Promise<void>;
  /** PKCS#8, PEM, of the key that a certificate is for. */
  keyOf(certificateId: string, leafPem: string): Promise<string | undefined>;
  /** A certificate's key is in use by now: it becomes `current.key`, the one before `previous.key`; older ones go. */
  promote(certificateId: string, leafPem: string): Promise<void>;
}

const safeName = /^[A-Za-z0-9_-]{1,128}$/;

export function keyStore(stateDir: string): KeyStore {
  const folderOf = (certificateId: string): string => {
    if (!safeName.test(certificateId)) throw new Error('the id of the certificate is no file name');
    return join(stateDir, 'keys', certificateId);
  };
  const fileOf = (certificateId: string, name: string): string => {
    if (!/^[A-Za-z0-9_.-]{1,128}$/.test(name)) throw new Error('the id of the job is no file name');
    return join(folderOf(certificateId), name);
  };
  /** The file whose key a certificate is for; `current.key` and `previous.key` are other names of such files. */
  const find = async (certificateId: string, leafPem: string): Promise<{ name: string; pem: string } | undefined> => {
    const wanted = spkiOf(new X509Certificate(leafPem).publicKey);
    for (const name of await keyFiles(folderOf(certificateId))) {
      const pem = await readFile(fileOf(certificateId, name), 'utf8');
      if (spkiOf(createPublicKey(createPrivateKey(pem))) === wanted) return { name, pem };
    }
    return undefined;
  };
  return {
    async keyFor(certificateId, jobId, algorithm) {
      await privateFolder(folderOf(certificateId));
      const file = fileOf(certificateId, `${jobId}.key`);
      const existing = await readFile(file, 'utf8').catch(() => undefined);
      if (existing !== undefined) {
        try {
          return createPrivateKey(existing);
        } catch {
          // Cut short by a crash before it was on the disk: nobody has seen it.
          await removeFile(file);
        }
      }
      const privateKey = await makeLeafKey(algorithm);
      await writeNew(file, privateKey.export({ format: 'pem', type: 'pkcs8' }));
      await syncFolder(folderOf(certificateId));
      return privateKey;
    },
    async csrFor(certificateId, jobId, make) {
      const file = fileOf(certificateId, `${jobId}.csr`);
      const existing = await readFile(file).catch(() => undefined);
      if (existing !== undefined && existing.length > 0) return existing;
      await removeFile(file);
      const csr = make();
      await writeNew(file, csr);
      return csr;
    },
    async discard(certificateId, jobId) {
      await removeFile(fileOf(certificateId, `${jobId}.key`));
      await removeFile(fileOf(certificateId, `${jobId}.csr`));
    },
    keyOf: async (certificateId, leafPem) => (await find(certificateId, leafPem))?.pem,
    async promote(certificateId, leafPem) {
      const folder = folderOf(certificateId);
      const found = await find(certificateId, leafPem);
      if (found === undefined || found.name === 'current.key') return;
      const current = fileOf(certificateId, 'current.key');
      const age = (await stat(fileOf(certificateId, found.name))).mtimeMs;
      if (found.name !== 'previous.key') {
        await rename(current, fileOf(certificateId, 'previous.key')).catch(() => undefined);
        const beside = fileOf(certificateId, 'next.tmp');
        await removeFile(beside);
        await link(fileOf(certificateId, found.name), beside);
        await rename(beside, current);
        await removeFile(fileOf(certificateId, found.name));
        await removeFile(fileOf(certificateId, found.name.replace(/\.key$/, '.csr')));
      }
      // Those of jobs before it will not be needed; younger ones wait for their certificate.
      for (const name of await keyFiles(folder)) {
        if (name === 'current.key' || name === 'previous.key') continue;
        if ((await stat(join(folder, name))).mtimeMs < age) {
          await removeFile(join(folder, name));
          await removeFile(join(folder, name.replace(/\.key$/, '.csr')));
        }
      }
      await syncFolder(folder);
    },
  };
}

/** `current.key` first. */
async function keyFiles(folder: string): Promise<readonly string[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.key'));
  return names.sort((a, b) => Number(b === 'current.key') - Number(a === 'current.key') || (a < b ? -1 : 1));
}

function spkiOf(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ format: 'der', type: 'spki' }))
    .digest('hex');
}
