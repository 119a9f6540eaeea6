import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { CaKeyAlgorithm } from '#domain/x509/key-algorithm.ts';
import { mlDsa, mlDsaKindOf, seedOnlyPkcs8 } from '#domain/x509/ml-dsa.ts';
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

const makePair = promisify(generateKeyPair);
const curves = { 'ECDSA-P256': 'P-256', 'ECDSA-P384': 'P-384', 'ECDSA-P521': 'P-521' } as const;
const bits = { 'RSA-2048': 2048, 'RSA-3072': 3072, 'RSA-4096': 4096 } as const;

/** A software key and its seal. */
export interface SealedSigner {
  readonly signer: Signer;
  readonly sealed: Uint8Array;
}

/** Makes a key and seals it. */
export async function createSigner(envelope: Envelope, context: string, algorithm: CaKeyAlgorithm = 'ECDSA-P256'): Promise<SealedSigner> {
  return sealSigner(envelope, context, await makeKey(algorithm));
}

async function makeKey(algorithm: CaKeyAlgorithm): Promise<KeyObject> {
  if (algorithm in bits) return (await makePair('rsa', { modulusLength: bits[algorithm as keyof typeof bits] })).privateKey;
  if (algorithm in curves) return (await makePair('ec', { namedCurve: curves[algorithm as keyof typeof curves] })).privateKey;
  return (await makePair(mlDsa[algorithm as keyof typeof mlDsa].type, {})).privateKey;
}

/** Seals a key that is there already. @throws {TypeError} for a kind of key that no algorithm of ours has */
export async function sealSigner(envelope: Envelope, context: string, privateKey: KeyObject): Promise<SealedSigner> {
  const signer = softwareSigner(privateKey);
  const kind = mlDsaKindOf(privateKey);
  const pkcs8 = kind === undefined ? privateKey.export({ format: 'der', type: 'pkcs8' }) : seedOnlyPkcs8(privateKey, kind);
  try {
    return { signer, sealed: await envelope.seal(pkcs8, context) };
  } finally {
    pkcs8.fill(0);
  }
}

/** Seals for another context what was sealed for one. */
export async function resealSigner(envelope: Envelope, sealed: Uint8Array, from: string, to: string): Promise<Uint8Array> {
  const pkcs8 = Buffer.from(await envelope.unseal(sealed, from));
  try {
    return await envelope.seal(pkcs8, to);
  } finally {
    pkcs8.fill(0);
  }
}
