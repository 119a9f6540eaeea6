import { createHmac, createSecretKey, hash, type KeyObject } from 'node:crypto';
import type { Checksum, SourceData } from '@smithy/types';

/** Of strings there are two: the account's secret key, and what the day's key is derived from. */
const maxSecrets = 8;
const ofBytes = new WeakMap<object, KeyObject>();
const ofText = new Map<string, KeyObject>();

/**
 * SHA-256 and HMAC for the signatures of requests to AWS (`sha256` of an SDK client). Node makes a key of bytes anew for each HMAC, which costs several
 * times the HMAC; here a key that is used again is kept. What is hashed comes whole, so one call of node does it.
 */
export class SigningHash implements Checksum {
  readonly #key: KeyObject | undefined;
  #parts: Buffer[] = [];

  constructor(secret?: SourceData) {
    this.#key = secret === undefined ? undefined : keyOf(secret);
  }

  update(data: SourceData): void {
    this.#parts.push(bytesOf(data));
  }

  digest(): Promise<Uint8Array> {
    const [only = Buffer.alloc(0), ...more] = this.#parts;
    const bytes = more.length === 0 ? only : Buffer.concat(this.#parts);
    const digest =
      this.#key === undefined ? hash('sha256', bytes, 'binary') : createHmac('sha256', this.#key).update(bytes).digest('binary');
    return Promise.resolve(new Uint8Array(Buffer.from(digest, 'binary')));
  }

  reset(): void {
    this.#parts = [];
  }
}

function keyOf(secret: SourceData): KeyObject {
  if (typeof secret !== 'string') {
    const kept = ofBytes.get(secret) ?? createSecretKey(bytesOf(secret));
    ofBytes.set(secret, kept);
    return kept;
  }
  const kept = ofText.get(secret) ?? createSecretKey(secret, 'utf8');
  // Temporary keys of a role come and go.
  if (!ofText.has(secret) && ofText.size >= maxSecrets) ofText.clear();
  ofText.set(secret, kept);
  return kept;
}

function bytesOf(data: SourceData): Buffer {
  if (typeof data === 'string') return Buffer.from(data, 'utf8');
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data);
}
