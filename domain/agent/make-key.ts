import { generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import type { AgentKeyAlgorithm } from './key-algorithm.ts';

const generate = promisify(generateKeyPair) as (type: string, options?: object) => Promise<{ privateKey: KeyObject }>;
const makers: Readonly<Record<AgentKeyAlgorithm, () => Promise<{ privateKey: KeyObject }>>> = {
  'ECDSA-P256': () => generate('ec', { namedCurve: 'P-256' }),
  'ECDSA-P384': () => generate('ec', { namedCurve: 'P-384' }),
  'RSA-2048': () => generate('rsa', { modulusLength: 2048 }),
  'RSA-3072': () => generate('rsa', { modulusLength: 3072 }),
  'RSA-4096': () => generate('rsa', { modulusLength: 4096 }),
  Ed25519: () => generate('ed25519', {}),
};

/** A new private key. */
export async function makeLeafKey(algorithm: AgentKeyAlgorithm): Promise<KeyObject> {
  return (await makers[algorithm]()).privateKey;
}
