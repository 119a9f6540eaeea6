import { createHmac, timingSafeEqual } from 'node:crypto';
import { CaError } from '../error.ts';
import { decodeBase64url } from '../json/base64url.ts';
import { parseObject, type JsonObject } from '../json/strict.ts';
import { canonicalJwk, type PublicJwk } from './jwk.ts';

const digests: Readonly<Record<string, string>> = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' };

/** An external account binding that was read but not verified (RFC 8555 §7.3.4). */
export interface UnverifiedBinding {
  readonly keyId: string;
  readonly digest: string;
  readonly signingInput: string;
  readonly mac: Buffer;
  /** What was sent, for the account object to show. */
  readonly jws: JsonObject;
}

// One message for every cause: an answer that tells a wrong key from a wrong MAC helps only who guesses.
const refusal = (): CaError => new CaError('unauthorized', 'the external account binding is not valid');

/**
 * Reads the binding and checks everything but its MAC.
 *
 * @param outer the URL and key of the newAccount request that carries it
 * @throws {CaError} `unauthorized`
 */
export function readBinding(value: unknown, outer: { readonly url: string; readonly jwk: PublicJwk }): UnverifiedBinding {
  try {
    if (typeof value !== 'object' || value === null) throw refusal();
    const jws = value as JsonObject;
    const header = parseObject(decodeBase64url(jws['protected'], 'protected').toString(), 'the binding');
    const digest = digests[String(header['alg'])];
    const keyId = header['kid'];
    if (digest === undefined || typeof keyId !== 'string' || keyId.length > 128) throw refusal();
    if (header['url'] !== outer.url || 'nonce' in header || 'crit' in header || 'jwk' in header) throw refusal();
    const payload = parseObject(decodeBase64url(jws['payload'], 'payload').toString(), 'the bound key');
    if (canonicalJwk(payload as unknown as PublicJwk) !== canonicalJwk(outer.jwk)) throw refusal();
    return {
      keyId,
      digest,
      signingInput: `${String(jws['protected'])}.${String(jws['payload'])}`,
      mac: decodeBase64url(jws['signature'], 'signature'),
      jws: { protected: jws['protected'], payload: jws['payload'], signature: jws['signature'] },
    };
  } catch {
    throw refusal();
  }
}

/**
 * Checks the MAC in constant time.
 *
 * @param hmacKey the key's bytes, or undefined when no usable key has this id
 * @throws {CaError} `unauthorized`
 */
export function verifyBinding(binding: UnverifiedBinding, hmacKey: Uint8Array | undefined): void {
  const expected = createHmac(binding.digest, hmacKey ?? Buffer.alloc(32))
    .update(binding.signingInput)
    .digest();
  const equal = expected.length === binding.mac.length && timingSafeEqual(expected, binding.mac);
  if (!equal || hmacKey === undefined) throw refusal();
}
