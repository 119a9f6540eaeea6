import type { AgentKeyAlgorithm } from '../agent/key-algorithm.ts';
import { CaError } from '../error.ts';
import { orderedName, type OrderedName } from '../lifecycle/ordered-name.ts';
import type { DiscoveredFacts } from './discovered.ts';

const mostNames = 100;

/**
 * The names of a certificate that was found, for an order of one that takes its place: all of them, or it is refused, for whatever uses a name that was left out
 * would fail.
 *
 * @throws {CaError} `malformed`
 */
export function namesOfFound({ commonName, sans }: Pick<DiscoveredFacts, 'commonName' | 'sans'>): readonly OrderedName[] {
  // Without subjectAltName the common name is what clients went by (RFC 6125 §6.4.4).
  const texts = sans.length === 0 ? [commonName ?? ''] : sans.map(({ type, value }) => `${type}:${value}`);
  if (texts.length > mostNames)
    throw new CaError('malformed', `the body: discovered: it has more than ${mostNames} names: say in names which`);
  try {
    return texts.map(orderedName);
  } catch (cause) {
    if (!(cause instanceof CaError)) throw cause;
    throw new CaError('malformed', `the body: discovered: it has a name that cannot be ordered: say in names which. ${cause.message}`, {
      cause,
    });
  }
}

/** The kind of key that is nearest to that of a certificate that was found, among those that agents make: as large, or larger, where there is one. */
export function keyAlgorithmOfFound({ keyAlgorithm, keySize = 0 }: Pick<DiscoveredFacts, 'keyAlgorithm' | 'keySize'>): AgentKeyAlgorithm {
  if (keyAlgorithm === 'Ed25519') return 'Ed25519';
  if (keyAlgorithm !== 'RSA') return keyAlgorithm === 'ECDSA' && keySize > 256 ? 'ECDSA-P384' : 'ECDSA-P256';
  if (keySize <= 2048) return 'RSA-2048';
  return keySize <= 3072 ? 'RSA-3072' : 'RSA-4096';
}
