import { createPublicKey, sign, type KeyObject } from 'node:crypto';
import type { SignatureAlgorithm, Signer } from './signer.ts';

const curves: Readonly<Record<string, readonly [SignatureAlgorithm, string]>> = {
  prime256v1: ['ecdsa-p256-sha256', 'sha256'],
  secp384r1: ['ecdsa-p384-sha384', 'sha384'],
  secp521r1: ['ecdsa-p521-sha512', 'sha512'],
};

/** A signer whose key is in this process. @throws {TypeError} for a kind of key that no algorithm of ours has */
export function softwareSigner(privateKey: KeyObject): Signer {
  const [algorithm, digest] = algorithmOf(privateKey);
  const publicKeySpki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return { algorithm, publicKeySpki, sign: async (tbs) => sign(digest, tbs, privateKey) };
}

function algorithmOf(key: KeyObject): readonly [SignatureAlgorithm, string | null] {
  switch (key.asymmetricKeyType) {
    case 'ec': {
      const known = curves[key.asymmetricKeyDetails?.namedCurve ?? ''];
      if (known === undefined) throw new TypeError('the curve is not supported');
      return known;
    }
    case 'rsa':
      return ['rsa-pkcs1-sha256', 'sha256'];
    case 'ed25519':
      return ['ed25519', null];
    case 'ml-dsa-44':
    case 'ml-dsa-65':
    case 'ml-dsa-87':
      return [key.asymmetricKeyType, null];
    default:
      throw new TypeError('the kind of key is not supported');
  }
}
