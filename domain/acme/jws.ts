import { verify } from 'node:crypto';
import { CaError } from '../error.ts';
import { decodeBase64url } from '../json/base64url.ts';
import { parseObject, type JsonObject } from '../json/strict.ts';
import { algorithmOf, readJwk, signatureAlgorithms, type AccountKey, type JwsAlgorithm } from './jwk.ts';

/** A flattened JWS that was read and found well-formed, but not verified (RFC 7515 §7.2.2; RFC 8555 §6.2). */
export interface UnverifiedJws {
  readonly alg: JwsAlgorithm;
  readonly url: string;
  readonly nonce: string | undefined;
  /** Either names an account … */
  readonly kid: string | undefined;
  /** … or brings its own key. */
  readonly jwk: AccountKey | undefined;
  /** Not to be believed before {@link verifySignature}. */
  readonly payload: Buffer;
  readonly signingInput: string;
  readonly signature: Buffer;
}

/** What a route wants in the header: a key of its own, an account, or either (revokeCert). */
export type KeyMode = 'jwk' | 'kid' | 'either';

const topMembers = new Set(['protected', 'payload', 'signature']);

/**
 * Reads the request body as a flattened JWS, refusing everything that RFC 8555 §6.2 forbids.
 *
 * @throws {CaError} `malformed`, `badSignatureAlgorithm` (with the accepted ones), `badPublicKey`
 */
export function readJws(body: string, mode: KeyMode): UnverifiedJws {
  const outer = parseObject(body, 'the request body');
  if ('signatures' in outer) throw new CaError('malformed', 'the JWS must have exactly one signature, in flattened form');
  if ('header' in outer) throw new CaError('malformed', 'the JWS must not have an unprotected header');
  for (const name of Object.keys(outer)) {
    if (!topMembers.has(name)) throw new CaError('malformed', 'the JWS has members besides protected, payload and signature');
  }
  const header = parseObject(decodeText(outer['protected'], 'protected'), 'the protected header');
  const payload = decodeBase64url(outer['payload'], 'payload');
  const signature = decodeBase64url(outer['signature'], 'signature');
  if ('crit' in header) throw new CaError('malformed', 'no critical header extension is supported');
  if ('b64' in header) throw new CaError('malformed', 'the payload must be base64url encoded');
  const alg = readAlgorithm(header);
  if (typeof header['url'] !== 'string') throw new CaError('malformed', 'the protected header has no url');
  const nonce = header['nonce'];
  if (nonce !== undefined && typeof nonce !== 'string') throw new CaError('malformed', 'nonce is not a string');
  return {
    alg,
    url: header['url'],
    nonce,
    ...readKey(header, mode, alg),
    payload,
    signingInput: `${outer['protected'] as string}.${outer['payload'] as string}`,
    signature,
  };
}

/**
 * Verifies the signature with a key of the algorithm's kind.
 *
 * @throws {CaError} `badSignatureAlgorithm` when the header names another algorithm than the key's, `unauthorized` when the signature is not the key's
 */
export function verifySignature(jws: UnverifiedJws, key: AccountKey): void {
  const algorithm = algorithmOf(key.jwk);
  if (jws.alg !== algorithm) {
    throw new CaError('badSignatureAlgorithm', 'the header names another algorithm than the key has', { algorithms: [algorithm] });
  }
  let valid = false;
  try {
    valid = verify(digests[algorithm], Buffer.from(jws.signingInput), { key: key.key, dsaEncoding: 'ieee-p1363' }, jws.signature);
  } catch {
    // A signature of impossible length is simply wrong.
  }
  if (!valid) throw new CaError('unauthorized', 'the signature does not verify');
}

const digests: Readonly<Record<JwsAlgorithm, string | null>> = {
  ES256: 'sha256',
  ES384: 'sha384',
  ES512: 'sha512',
  RS256: 'sha256',
  EdDSA: null,
};

function readAlgorithm(header: JsonObject): JwsAlgorithm {
  const alg = signatureAlgorithms.find((name) => name === header['alg']);
  if (alg === undefined) {
    throw new CaError('badSignatureAlgorithm', `alg must be one of ${signatureAlgorithms.join(', ')}`, { algorithms: signatureAlgorithms });
  }
  return alg;
}

function readKey(header: JsonObject, mode: KeyMode, alg: JwsAlgorithm): { kid: string | undefined; jwk: AccountKey | undefined } {
  const hasKid = 'kid' in header;
  const hasJwk = 'jwk' in header;
  if (hasKid === hasJwk) throw new CaError('malformed', 'the protected header must have exactly one of kid and jwk');
  if (hasKid) {
    if (mode === 'jwk') throw new CaError('malformed', 'this resource wants a jwk, not a kid');
    if (typeof header['kid'] !== 'string') throw new CaError('malformed', 'kid is not a string');
    return { kid: header['kid'], jwk: undefined };
  }
  if (mode === 'kid') throw new CaError('malformed', 'this resource wants a kid, not a jwk');
  const jwk = readJwk(header['jwk']);
  const algorithm = algorithmOf(jwk.jwk);
  if (algorithm !== alg)
    throw new CaError('badSignatureAlgorithm', 'the header names another algorithm than the key has', { algorithms: [algorithm] });
  return { kid: undefined, jwk };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decodeText(value: unknown, what: string): string {
  try {
    return utf8.decode(decodeBase64url(value, what));
  } catch (error) {
    if (error instanceof CaError) throw error;
    throw new CaError('malformed', `${what} is not UTF-8`);
  }
}

/**
 * Reads a verified payload as a JSON object. A member that is null is not there: serializers write so what has not been set, and servers in Go read it so.
 *
 * @throws {CaError} `malformed`
 */
export function readPayload(payload: Buffer): JsonObject {
  let text: string;
  try {
    text = utf8.decode(payload);
  } catch {
    throw new CaError('malformed', 'the payload is not UTF-8');
  }
  return Object.fromEntries(membersOf(parseObject(text, 'the payload')));
}

function membersOf(object: object): [string, unknown][] {
  return Object.entries(object).flatMap(([name, value]) => (value === null ? [] : [[name, withoutNulls(value)]]));
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  return typeof value === 'object' && value !== null ? Object.fromEntries(membersOf(value)) : value;
}
