import { verify } from 'node:crypto';
import { nothing, oid, sequence } from '../../asn1/der.ts';
import { mlDsaKinds } from '../key-algorithm.ts';
import { mlDsa } from '../ml-dsa.ts';
import { Oid } from '../oids.ts';
import { pssDigests, pssHolds } from '../pss.ts';
import { parsePublicKey, type PublicKeyInfo } from '../public-key.ts';
import { PathFault } from './fault.ts';

interface Scheme {
  readonly kind: PublicKeyInfo['kind'];
  readonly digest: 'sha256' | 'sha384' | 'sha512' | null;
}

const minRsaBits = 2048;
// A modulus of 16,384 bits takes a hundred times as long as one of 2,048.
const maxRsaBits = 8192;

const digests = [
  ['sha256', Oid.sha256WithRSA, Oid.ecdsaSha256],
  ['sha384', Oid.sha384WithRSA, Oid.ecdsaSha384],
  ['sha512', Oid.sha512WithRSA, Oid.ecdsaSha512],
] as const;

// Every AlgorithmIdentifier that is accepted, byte for byte: nothing in it is left to interpretation. SHA-1, MD5 and DSA are not among them.
const schemes = new Map<string, Scheme>(
  [
    ...digests.flatMap(([digest, rsa, ecdsa]): (readonly [Buffer, Scheme])[] => [
      [sequence(oid(rsa), nothing), { kind: 'RSA', digest }],
      [sequence(oid(ecdsa)), { kind: 'ECDSA', digest }],
    ]),
    [sequence(oid(Oid.ed25519)), { kind: 'Ed25519', digest: null }] as const,
    ...mlDsaKinds.map((kind) => [sequence(oid(mlDsa[kind].oid)), { kind, digest: null }] as const),
  ].map(([der, scheme]) => [der.toString('hex'), scheme]),
);

/**
 * Verifies what a certificate or CRL carries as its signature.
 *
 * @param spki the signer's SubjectPublicKeyInfo, DER
 * @param algorithm AlgorithmIdentifier, DER
 * @throws {PathFault} `unsupported_algorithm`, `weak_key`, `bad_signature`
 */
export function assertSigned(spki: Uint8Array, algorithm: Uint8Array, data: Uint8Array, signature: Uint8Array): void {
  const identifier = Buffer.from(algorithm).toString('hex');
  const pss = pssDigests.get(identifier);
  const scheme = pss === undefined ? schemes.get(identifier) : ({ kind: 'RSA', digest: pss } as const);
  if (scheme === undefined) throw new PathFault('unsupported_algorithm', 'the signature algorithm is not supported');
  const key = keyOf(spki);
  if (key.kind !== scheme.kind) throw new PathFault('bad_signature', 'the signature is of another kind than the key');
  if (key.kind === 'RSA' && (key.bits < minRsaBits || key.bits > maxRsaBits))
    throw new PathFault('weak_key', `an RSA key must have between ${minRsaBits} and ${maxRsaBits} bits`);
  const holds = (): boolean =>
    pss === undefined ? verify(scheme.digest, data, key.key, signature) : pssHolds(pss, data, key.key, signature);
  if (!isTrue(holds)) throw new PathFault('bad_signature', 'the signature does not verify');
}

function keyOf(spki: Uint8Array): ReturnType<typeof parsePublicKey> {
  try {
    return parsePublicKey(spki);
  } catch (cause) {
    throw new PathFault('unsupported_algorithm', 'the public key is not supported', { cause });
  }
}

function isTrue(holds: () => boolean): boolean {
  try {
    return holds();
  } catch {
    return false;
  }
}
