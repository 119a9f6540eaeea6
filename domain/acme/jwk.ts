import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { CaError } from '../error.ts';
import { decodeBase64url } from '../json/base64url.ts';
import type { JsonObject } from '../json/strict.ts';
import { assertStrongKey, parsePublicKey } from '../x509/public-key.ts';

/** JWS algorithms that we accept (RFC 8555 §6.2; RFC 7518 §3.1; RFC 8037). */
export const signatureAlgorithms = ['ES256', 'ES384', 'ES512', 'RS256', 'EdDSA'] as const;
export type JwsAlgorithm = (typeof signatureAlgorithms)[number];

/** The public members of a key, in the order that its thumbprint hashes them (RFC 7638 §3.2). */
export type PublicJwk =
  | { readonly crv: string; readonly kty: 'EC'; readonly x: string; readonly y: string }
  | { readonly crv: 'Ed25519'; readonly kty: 'OKP'; readonly x: string }
  | { readonly e: string; readonly kty: 'RSA'; readonly n: string };

/** A key that a certificate may have and an account may not. */
interface MlDsaJwk {
  readonly alg: string;
  readonly kty: 'AKP';
  readonly pub: string;
}

/** An account key ready to verify with. */
export interface AccountKey {
  readonly jwk: PublicJwk;
  /** SHA-256, base64url (RFC 7638). */
  readonly thumbprint: string;
  readonly key: KeyObject;
}

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const curves: Readonly<Record<string, { bytes: number; algorithm: JwsAlgorithm }>> = {
  'P-256': { bytes: 32, algorithm: 'ES256' },
  'P-384': { bytes: 48, algorithm: 'ES384' },
  'P-521': { bytes: 66, algorithm: 'ES512' },
};

/**
 * Reads a `jwk` header member into a key that is strong enough to be an account's (RFC 7517; RFC 8555 §6.2).
 *
 * @throws {CaError} `malformed` when it is no public JWK, `badPublicKey` when it is weak or of a kind that we do not take
 */
export function readJwk(value: unknown): AccountKey {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new CaError('malformed', 'jwk is not an object');
  const members = value as JsonObject;
  if (privateMembers.some((name) => (members[name] ?? null) !== null)) throw new CaError('malformed', 'jwk carries private members');
  const jwk = publicMembers(members);
  const key = importKey(jwk);
  assertStrongKey(parsePublicKey(key.export({ type: 'spki', format: 'der' })));
  return { jwk, thumbprint: thumbprint(jwk), key };
}

/** A key that {@link readJwk} accepted before, read back from storage without judging it again. */
export function restoreKey(jwk: PublicJwk, knownThumbprint: string): AccountKey {
  return { jwk, thumbprint: knownThumbprint, key: importKey(jwk) };
}

/** SHA-256 thumbprint, base64url (RFC 7638). */
export function thumbprint(jwk: PublicJwk | MlDsaJwk): string {
  return createHash('sha256').update(canonicalJwk(jwk)).digest('base64url');
}

/** The thumbprint of a certificate's key, whether an account may have such a key or not. */
export function keyThumbprint(key: KeyObject): string {
  return thumbprint(key.export({ format: 'jwk' }) as unknown as PublicJwk | MlDsaJwk);
}

/** The one text of a key: its required members in lexicographic order, no white space (RFC 7638 §3.3). */
export function canonicalJwk(jwk: PublicJwk | MlDsaJwk): string {
  switch (jwk.kty) {
    case 'EC':
      return JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y });
    case 'OKP':
      return JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x: jwk.x });
    case 'RSA':
      return JSON.stringify({ e: jwk.e, kty: jwk.kty, n: jwk.n });
    case 'AKP':
      return JSON.stringify({ alg: jwk.alg, kty: jwk.kty, pub: jwk.pub });
  }
}

/** The algorithm that a key signs with; any other in the header is refused (RFC 7518 §3.4). */
export function algorithmOf(jwk: PublicJwk): JwsAlgorithm {
  if (jwk.kty === 'RSA') return 'RS256';
  if (jwk.kty === 'OKP') return 'EdDSA';
  return curves[jwk.crv]?.algorithm ?? 'ES256';
}

function publicMembers(members: JsonObject): PublicJwk {
  const text = (name: string, bytes?: number): string => {
    const value = decodeBase64url(members[name], `jwk ${name}`);
    if (value.length === 0 || (bytes !== undefined && value.length !== bytes))
      throw new CaError('malformed', `jwk ${name} has a wrong length`);
    return members[name] as string;
  };
  switch (members['kty']) {
    case 'EC': {
      const crv = members['crv'];
      const curve = typeof crv === 'string' ? curves[crv] : undefined;
      if (curve === undefined) throw new CaError('badPublicKey', 'EC keys must be on P-256, P-384 or P-521');
      return { crv: crv as string, kty: 'EC', x: text('x', curve.bytes), y: text('y', curve.bytes) };
    }
    case 'OKP':
      if (members['crv'] !== 'Ed25519') throw new CaError('badPublicKey', 'OKP keys must be Ed25519');
      return { crv: 'Ed25519', kty: 'OKP', x: text('x', 32) };
    case 'RSA': {
      const n = text('n');
      // A leading zero octet would give one key two thumbprints (RFC 7518 §2).
      if (decodeBase64url(n, 'jwk n')[0] === 0 || decodeBase64url(members['e'], 'jwk e')[0] === 0) {
        throw new CaError('malformed', 'jwk n or e has a leading zero octet');
      }
      return { e: text('e'), kty: 'RSA', n };
    }
    default:
      throw new CaError('badPublicKey', 'the key must be EC, OKP or RSA');
  }
}

function importKey(jwk: PublicJwk): KeyObject {
  try {
    return createPublicKey({ key: { ...jwk }, format: 'jwk' });
  } catch (cause) {
    throw new CaError('badPublicKey', 'the key is not valid', { cause });
  }
}
