import type { SignatureAlgorithm } from './signer.ts';

/** The parameter sets of FIPS 204 §4, which are kinds of keys by themselves. */
export const mlDsaKinds = ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'] as const;
export type MlDsaKind = (typeof mlDsaKinds)[number];

/** Kinds of keys that a CA may have. */
export const caKeyAlgorithms = ['ECDSA-P256', 'ECDSA-P384', 'ECDSA-P521', 'RSA-2048', 'RSA-3072', 'RSA-4096', ...mlDsaKinds] as const;
export type CaKeyAlgorithm = (typeof caKeyAlgorithms)[number];

/** How a key of each kind signs: the digest follows the key's strength. */
export const signatureOf: Readonly<Record<CaKeyAlgorithm, SignatureAlgorithm>> = {
  'ECDSA-P256': 'ecdsa-p256-sha256',
  'ECDSA-P384': 'ecdsa-p384-sha384',
  'ECDSA-P521': 'ecdsa-p521-sha512',
  'RSA-2048': 'rsa-pkcs1-sha256',
  'RSA-3072': 'rsa-pkcs1-sha256',
  'RSA-4096': 'rsa-pkcs1-sha256',
  'ML-DSA-44': 'ml-dsa-44',
  'ML-DSA-65': 'ml-dsa-65',
  'ML-DSA-87': 'ml-dsa-87',
};
