import { createHash, createPublicKey, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

/** A key that signs JWS, of an account or a certificate. */
export interface Key {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** Public members in the order of RFC 7638 §3.2. */
  readonly jwk: Readonly<Record<string, string>>;
  /** SHA-256, base64url (RFC 7638). */
  readonly thumbprint: string;
  /** Its JWS algorithm. */
  readonly alg: 'ES256' | 'RS256';
}

export function makeKey(): Key {
  return keyOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
}

/** @param bits length of the modulus */
export function makeRsaKey(bits: number): Key {
  return keyOf(generateKeyPairSync('rsa', { modulusLength: bits }).privateKey);
}

/** @param privateKey P-256 or RSA */
export function keyOf(privateKey: KeyObject): Key {
  const publicKey = createPublicKey(privateKey);
  const exported = publicKey.export({ format: 'jwk' }) as Record<string, string>;
  const jwk = Object.fromEntries(
    ['crv', 'e', 'kty', 'n', 'x', 'y'].flatMap((name) => (name in exported ? [[name, String(exported[name])]] : [])),
  );
  const thumbprint = createHash('sha256').update(JSON.stringify(jwk)).digest('base64url');
  return { privateKey, publicKey, jwk, thumbprint, alg: jwk['kty'] === 'RSA' ? 'RS256' : 'ES256' };
}

/** JWS signature, base64url (RFC 7518 §§3.3, 3.4). */
export function signature(key: Key, input: string): string {
  return sign('sha256', Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url');
}

export function base64url(value: string | Uint8Array | object): string {
  const bytes = typeof value === 'string' || value instanceof Uint8Array ? value : JSON.stringify(value);
  return Buffer.from(bytes).toString('base64url');
}
