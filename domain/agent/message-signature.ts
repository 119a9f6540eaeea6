import { createHash, createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { CaError } from '../error.ts';

/** What of a request is signed. */
export interface SignedRequest {
  readonly method: string;
  /** Absolute, without the query. */
  readonly path: string;
  /** Without the question mark; empty: none. */
  readonly query: string;
  readonly body: Uint8Array;
}

/** The header fields that carry a signature (RFC 9421 §4, RFC 9530 §2). */
export interface SignatureFields {
  readonly 'content-digest': string;
  readonly 'signature-input': string;
  readonly signature: string;
}

/** Seconds by which the clocks of signer and verifier may differ, which is also how long a signature lives. */
export const signatureWindowSeconds = 300;

const components = '("@method" "@path" "@query" "content-digest")';
const input =
  /^sig=\("@method" "@path" "@query" "content-digest"\);created=(\d{1,11});keyid="([A-Za-z0-9._-]{1,128})";alg="ecdsa-p256-sha256"$/;
const signatureField = /^sig=:([A-Za-z0-9+/]{86}==):$/;

/**
 * Signs a request with a key on P-256: method, path, query and the digest of the body (RFC 9421 §3.1, algorithm of §3.3.4).
 *
 * @param createdAt seconds since the epoch
 */
export function signRequest(request: SignedRequest, key: KeyObject, keyId: string, createdAt: number): SignatureFields {
  const digest = contentDigest(request.body);
  const parameters = `${components};created=${createdAt};keyid="${keyId}";alg="ecdsa-p256-sha256"`;
  const signature = sign('sha256', signatureBase(request, digest, parameters), { key, dsaEncoding: 'ieee-p1363' });
  return { 'content-digest': digest, 'signature-input': `sig=${parameters}`, signature: `sig=:${signature.toString('base64')}:` };
}

/**
 * Whose signature a request claims to carry; nothing is proven yet. One form is read, the one that {@link signRequest} writes.
 *
 * @throws {CaError} `unauthenticated`
 */
export function claimedKeyId(headers: Readonly<Record<string, string | undefined>>): string {
  return readInput(headers).keyId;
}

/**
 * Verifies a request's signature with the key of whom it claims to be from.
 *
 * @param spki SubjectPublicKeyInfo, DER
 * @param now seconds since the epoch
 * @throws {CaError} `unauthenticated`
 */
export function verifyRequest(
  request: SignedRequest,
  headers: Readonly<Record<string, string | undefined>>,
  spki: Uint8Array,
  now: number,
): void {
  const { parameters, createdAt } = readInput(headers);
  if (Math.abs(now - createdAt) > signatureWindowSeconds)
    throw new CaError('unauthenticated', 'the signature is too old or too new: the clock of the host is wrong');
  const digest = contentDigest(request.body);
  if (headers['content-digest'] !== digest) throw new CaError('unauthenticated', 'the Content-Digest is not that of the body');
  const [, signature] = signatureField.exec(headers['signature'] ?? '') ?? [];
  if (signature === undefined) throw new CaError('unauthenticated', 'the Signature is missing or malformed');
  const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  const base = signatureBase(request, digest, parameters);
  if (!verify('sha256', base, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64')))
    throw new CaError('unauthenticated', 'the signature does not verify');
}

function readInput(headers: Readonly<Record<string, string | undefined>>): {
  readonly parameters: string;
  readonly createdAt: number;
  readonly keyId: string;
} {
  const field = headers['signature-input'] ?? '';
  const [, created, keyId] = input.exec(field) ?? [];
  if (created === undefined || keyId === undefined)
    throw new CaError('unauthenticated', 'the Signature-Input is missing or of another form');
  return { parameters: field.slice('sig='.length), createdAt: Number(created), keyId };
}

function contentDigest(body: Uint8Array): string {
  return `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;
}

/** RFC 9421 §2.5 */
function signatureBase(request: SignedRequest, digest: string, parameters: string): Buffer {
  return Buffer.from(
    [
      `"@method": ${request.method}`,
      `"@path": ${request.path}`,
      `"@query": ?${request.query}`,
      `"content-digest": ${digest}`,
      `"@signature-params": ${parameters}`,
    ].join('\n'),
    'utf8',
  );
}
