import { createPublicKey, hash, type KeyObject } from 'node:crypto';
import { bitStringOctets, cursor, DerError, oidText, readDer, smallInteger, Tag } from '../asn1/der.ts';
import { CaError } from '../error.ts';
import { mlDsaKinds, type MlDsaKind } from './key-algorithm.ts';
import { mlDsa } from './ml-dsa.ts';
import { Oid } from './oids.ts';
import { toPem } from './pem.ts';

type KeyFacts =
  | { readonly kind: 'RSA'; readonly bits: number; readonly exponent: number; readonly modulus: Buffer; readonly spki: Uint8Array }
  | { readonly kind: 'ECDSA'; readonly curve: 'P-256' | 'P-384' | 'P-521'; readonly spki: Uint8Array }
  | { readonly kind: 'Ed25519' | MlDsaKind; readonly spki: Uint8Array };

/** A public key that was read, and what verifies with it: importing one costs as much as a signature, so it is done once. */
export type PublicKeyInfo = KeyFacts & { readonly key: KeyObject };

const curves: Readonly<Record<string, { curve: 'P-256' | 'P-384' | 'P-521'; point: number }>> = {
  [Oid.p256]: { curve: 'P-256', point: 65 },
  [Oid.p384]: { curve: 'P-384', point: 97 },
  [Oid.p521]: { curve: 'P-521', point: 133 },
};

/**
 * Reads a SubjectPublicKeyInfo of a kind that we know, in its one encoding (RFC 3279, RFC 5480, RFC 8410, RFC 9881).
 *
 * @param spki DER
 * @throws {CaError} `badPublicKey`
 */
export function parsePublicKey(spki: Uint8Array): PublicKeyInfo {
  try {
    const facts = readSpki(spki);
    // OpenSSL judges what the encoding cannot: whether the point lies on its curve.
    // As text, for telling DER from its own key objects costs Node 24 as much again as the import.
    const key = createPublicKey(toPem('PUBLIC KEY', spki));
    return { ...facts, key };
  } catch (cause) {
    if (cause instanceof CaError) throw cause;
    throw new CaError('badPublicKey', 'the public key is malformed', { cause });
  }
}

function readSpki(spki: Uint8Array): KeyFacts {
  const outer = cursor(readDer(spki), Tag.sequence);
  const algorithm = cursor(outer.next(Tag.sequence));
  const bits = bitStringOctets(outer.next(Tag.bitString));
  outer.end();
  const type = oidText(algorithm.next(Tag.oid));
  switch (type) {
    case Oid.rsaEncryption: {
      algorithm.next(Tag.null);
      algorithm.end();
      const key = cursor(readDer(bits), Tag.sequence);
      const modulus = key.next(Tag.integer).content;
      const exponent = smallInteger(key.next(Tag.integer));
      key.end();
      if ((modulus[0] ?? 0) >= 0x80) throw new DerError('a negative modulus');
      const magnitude = modulus[0] === 0 ? modulus.subarray(1) : modulus;
      return {
        kind: 'RSA',
        bits: magnitude.length * 8 - Math.clz32((magnitude[0] ?? 0) << 24),
        exponent,
        modulus: Buffer.from(magnitude),
        spki,
      };
    }
    case Oid.ecPublicKey: {
      const known = curves[oidText(algorithm.next(Tag.oid))];
      algorithm.end();
      if (known === undefined) throw new CaError('badPublicKey', 'EC keys must be on P-256, P-384 or P-521');
      if (bits.length !== known.point || bits[0] !== 4) throw new CaError('badPublicKey', 'the EC point must be uncompressed');
      return { kind: 'ECDSA', curve: known.curve, spki };
    }
    case Oid.ed25519:
      algorithm.end();
      if (bits.length !== 32) throw new DerError('an Ed25519 key of another size');
      return { kind: 'Ed25519', spki };
    default: {
      const kind = mlDsaKinds.find((known) => mlDsa[known].oid === type);
      if (kind === undefined) throw new CaError('badPublicKey', 'the key must be RSA, EC, Ed25519 or ML-DSA');
      algorithm.end();
      if (bits.length !== mlDsa[kind].publicKeyBytes) throw new DerError('an ML-DSA key of another size');
      return { kind, spki };
    }
  }
}

const smallPrimes = primesBelow(752);
// Moduli of the vulnerable generator are powers of 65537 modulo each of these primes (CVE-2017-15361).
const rocaPrimes = primesBelow(168).filter((prime) => prime > 2);
const rocaResidues = rocaPrimes.map((prime) => {
  const residues = new Set<number>();
  for (let power = 1; !residues.has(power); power = (power * (65537 % prime)) % prime) residues.add(power);
  return residues;
});

/**
 * Refuses keys that are weak by size, exponent, small factors or a known bad generator.
 *
 * @throws {CaError} `badPublicKey`
 */
export function assertStrongKey(key: PublicKeyInfo): void {
  if (key.kind !== 'RSA') return;
  if (key.bits < 2048 || key.bits > 4096 || key.bits % 8 !== 0)
    throw new CaError('badPublicKey', 'RSA keys must have 2048 to 4096 bits, a multiple of 8');
  if (key.exponent !== 65537) throw new CaError('badPublicKey', 'the RSA exponent must be 65537');
  const modulus = BigInt(`0x${key.modulus.toString('hex')}`);
  if (smallPrimes.some((prime) => modulus % BigInt(prime) === 0n)) throw new CaError('badPublicKey', 'the RSA modulus has a small factor');
  if (rocaPrimes.every((prime, index) => rocaResidues[index]?.has(Number(modulus % BigInt(prime))))) {
    throw new CaError('badPublicKey', 'the RSA key comes from a generator that is broken (ROCA)');
  }
}

/** The subject key identifier: SHA-1 of the BIT STRING's octets (RFC 5280 §4.2.1.2 (1)), which OCSP's issuerKeyHash is by SHA-1 as well. */
export function keyIdentifier(spki: Uint8Array): Buffer {
  return hash('sha1', publicKeyBits(spki), 'buffer');
}

/** The octets of the subjectPublicKey BIT STRING. */
export function publicKeyBits(spki: Uint8Array): Buffer {
  const outer = cursor(readDer(spki), Tag.sequence);
  outer.next(Tag.sequence);
  return bitStringOctets(outer.next(Tag.bitString));
}

function primesBelow(limit: number): number[] {
  const primes: number[] = [];
  for (let n = 2; n < limit; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return primes;
}
