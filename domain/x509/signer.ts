import { nothing, oid, sequence } from '../asn1/der.ts';
import { Oid } from './oids.ts';

export type SignatureAlgorithm =
  | 'ecdsa-p256-sha256'
  | 'ecdsa-p384-sha384'
  | 'ecdsa-p521-sha512'
  | 'rsa-pkcs1-sha256'
  | 'ed25519'
  | 'ml-dsa-44'
  | 'ml-dsa-65'
  | 'ml-dsa-87';

/** A CA's or responder's key, wherever it lives. */
export interface Signer {
  readonly algorithm: SignatureAlgorithm;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeySpki: Uint8Array;
  /** The signature as it stands in a BIT STRING. */
  sign(tbs: Uint8Array): Promise<Uint8Array>;
}

/** AlgorithmIdentifier, DER (RFC 5758 §3.2, RFC 4055 §5, RFC 8410 §3, RFC 9881 §2). */
export const algorithmIdentifier: Readonly<Record<SignatureAlgorithm, Buffer>> = {
  'ecdsa-p256-sha256': sequence(oid(Oid.ecdsaSha256)),
  'ecdsa-p384-sha384': sequence(oid(Oid.ecdsaSha384)),
  'ecdsa-p521-sha512': sequence(oid(Oid.ecdsaSha512)),
  'rsa-pkcs1-sha256': sequence(oid(Oid.sha256WithRSA), nothing),
  ed25519: sequence(oid(Oid.ed25519)),
  'ml-dsa-44': sequence(oid(Oid.mlDsa44)),
  'ml-dsa-65': sequence(oid(Oid.mlDsa65)),
  'ml-dsa-87': sequence(oid(Oid.mlDsa87)),
};
