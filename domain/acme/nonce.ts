import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto';

/** How long a nonce may wait for its use, in seconds: DNS propagation takes longer than the usual five minutes. */
export const nonceLifetimeSeconds = 3600;

const version = 1;
const headLength = 21; // version ‖ seconds (4) ‖ random (16)
const macLength = 16;
const secondsPerDay = 86_400;

/** The day on which a nonce is made names the key that authenticates it. */
export function nonceKeyDay(seconds: number): number {
  return Math.floor(seconds / secondsPerDay);
}

/**
 * Makes a nonce that proves itself, so that issuing one costs no write (RFC 8555 §6.5).
 *
 * @param key the HMAC key of `nonceKeyDay(nowSeconds)`
 * @param random 16 random bytes
 * @returns base64url
 */
export function makeNonce(key: KeyObject, nowSeconds: number, random: Uint8Array): string {
  const nonce = Buffer.alloc(headLength + macLength);
  nonce[0] = version;
  nonce.writeUInt32BE(nowSeconds, 1);
  nonce.set(random.subarray(0, 16), 5);
  nonce.set(mac(key, nonce.subarray(0, headLength)), headLength);
  return nonce.toString('base64url');
}

/** What a nonce says of itself before its MAC was checked. */
export interface ReadNonce {
  readonly bytes: Buffer;
  readonly issuedAt: number;
  /** The part that its use is recorded under. */
  readonly id: string;
}

/** Reads a nonce; undefined when it cannot be one of ours or is out of its time. */
export function readNonce(text: string, nowSeconds: number): ReadNonce | undefined {
  if (text.length !== 50 || !/^[A-Za-z0-9_-]+$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length !== headLength + macLength || bytes[0] !== version || bytes.toString('base64url') !== text) return undefined;
  const issuedAt = bytes.readUInt32BE(1);
  // Another copy's clock may be a little ahead.
  if (issuedAt > nowSeconds + 60 || issuedAt + nonceLifetimeSeconds < nowSeconds) return undefined;
  return { bytes, issuedAt, id: bytes.subarray(1, headLength).toString('base64url') };
}

/** Whether the nonce was made with this key. */
export function nonceIsAuthentic(nonce: ReadNonce, key: KeyObject): boolean {
  return timingSafeEqual(mac(key, nonce.bytes.subarray(0, headLength)), nonce.bytes.subarray(headLength));
}

function mac(key: KeyObject, head: Uint8Array): Buffer {
  return createHmac('sha256', key).update('acme-nonce').update(head).digest().subarray(0, macLength);
}
