import { hash, type KeyObject } from 'node:crypto';
import { der, integer, octetString, oid, sequence } from '../asn1/der.ts';
import { mlDsaKinds, type MlDsaKind } from './key-algorithm.ts';
import { Oid } from './oids.ts';

interface ParameterSet {
  /** Names key and signature alike; without parameters (RFC 9881 §2). */
  readonly oid: string;
  readonly publicKeyBytes: number;
  /** As OpenSSL and Node call the kind. */
  readonly type: 'ml-dsa-44' | 'ml-dsa-65' | 'ml-dsa-87';
}

export const mlDsa: Readonly<Record<MlDsaKind, ParameterSet>> = {
  'ML-DSA-44': { oid: Oid.mlDsa44, publicKeyBytes: 1312, type: 'ml-dsa-44' },
  'ML-DSA-65': { oid: Oid.mlDsa65, publicKeyBytes: 1952, type: 'ml-dsa-65' },
  'ML-DSA-87': { oid: Oid.mlDsa87, publicKeyBytes: 2592, type: 'ml-dsa-87' },
};

/** The kind of a key of Node's; undefined for keys that are not ML-DSA. */
export function mlDsaKindOf(key: KeyObject): MlDsaKind | undefined {
  return mlDsaKinds.find((kind) => mlDsa[kind].type === key.asymmetricKeyType);
}

/**
 * The message representative µ of a message without context (FIPS 204, Algorithm 7, line 6): what is left for the holder of the private key to sign.
 *
 * @param publicKey the octets of the subjectPublicKey BIT STRING
 * @returns 64 octets
 */
export function messageRepresentative(publicKey: Uint8Array, message: Uint8Array): Buffer {
  const shake = (data: Uint8Array): Buffer => hash('shake256', data, { outputEncoding: 'buffer', outputLength: 64 });
  // Pure ML-DSA, and a context of no octets (FIPS 204, Algorithm 2, line 10).
  return shake(Buffer.concat([shake(publicKey), Buffer.of(0, 0), message]));
}

/**
 * PKCS#8 with the seed alone (RFC 9881 §6): the expanded key beside it, which OpenSSL writes too, would not fit under an envelope key of KMS.
 *
 * @param privateKey ML-DSA, made from a seed
 * @throws {TypeError} for a key without its seed
 */
export function seedOnlyPkcs8(privateKey: KeyObject, kind: MlDsaKind): Buffer {
  const { priv } = privateKey.export({ format: 'jwk' });
  if (typeof priv !== 'string') throw new TypeError('an ML-DSA key without its seed');
  const seed = Buffer.from(priv, 'base64url');
  return sequence(integer(0), sequence(oid(mlDsa[kind].oid)), octetString(der(0x80, seed)));
}
