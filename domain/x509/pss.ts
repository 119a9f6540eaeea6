import { constants, verify, type KeyObject } from 'node:crypto';
import { explicit, integer, nothing, oid, sequence } from '../asn1/der.ts';
import { Oid } from './oids.ts';

type PssDigest = 'sha256' | 'sha384' | 'sha512';

const digests = [
  ['sha256', Oid.sha256, 32],
  ['sha384', Oid.sha384, 48],
  ['sha512', Oid.sha512, 64],
] as const;

/** RSASSA-PSS with one hash throughout and a salt of its length (RFC 4055 §3.1), by its AlgorithmIdentifier, hex of DER. */
export const pssDigests: ReadonlyMap<string, PssDigest> = new Map(
  digests.map(([digest, hash, saltLength]) => {
    const algorithm = sequence(oid(hash), nothing);
    const parameters = sequence(explicit(0, algorithm), explicit(1, sequence(oid(Oid.mgf1), algorithm)), explicit(2, integer(saltLength)));
    return [sequence(oid(Oid.rsassaPss), parameters).toString('hex'), digest];
  }),
);

/** Whether a signature with a salt as long as the digest holds (RFC 8017 §8.1.2). @throws {Error} when OpenSSL cannot tell */
export function pssHolds(digest: PssDigest, data: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  return verify(digest, data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }, signature);
}
