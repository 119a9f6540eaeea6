import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import type { Signer } from '#domain/x509/signer.ts';
import { softwareSigner } from '#domain/x509/software-signer.ts';
import type { Envelope } from './envelope.ts';

/** Opens a software key that the envelope key sealed; the plain key stays in this process. */
export async function openSigner(envelope: Envelope, sealed: Uint8Array, context: string): Promise<Signer> {
  const pkcs8 = Buffer.from(await envelope.unseal(sealed, context));
  try {
    return softwareSigner(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }));
  } finally {
    pkcs8.fill(0);
  }
}

/** Makes a P-256 key and seals it. */
export async function createSigner(envelope: Envelope, context: string): Promise<{ readonly signer: Signer; readonly sealed: Uint8Array }> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
  try {
    return { signer: softwareSigner(privateKey), sealed: await envelope.seal(pkcs8, context) };
  } finally {
    pkcs8.fill(0);
  }
}
