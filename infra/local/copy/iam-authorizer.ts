import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { SignatureV4 } from '@smithy/signature-v4';
import { ownerOf, type AccessKey, type Identity } from './access-keys.ts';

/** A request as it came. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query, as sent. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What API Gateway adds to the event of a request that it let through. */
export type IamContext = Identity & { readonly accessKey: string; readonly cognitoIdentity: null; readonly principalOrgId: null };

/** Tells whose signature a request carries; undefined: whatever is wrong with it. */
export type IamAuthorizer = (request: SignedRequest) => Promise<IamContext | undefined>;

const region = 'us-east-1';
const service = 'execute-api';
// As API Gateway: a request may be sent again as long.
const skewMs = 300_000;
const form =
  /^AWS4-HMAC-SHA256 Credential=([A-Z0-9]{16,128})\/(\d{8})\/([a-z0-9-]{1,40})\/([a-z0-9-]{1,40})\/aws4_request,\s*SignedHeaders=([a-z0-9;_.-]{1,2000}),\s*Signature=([0-9a-f]{64})$/;
const time = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/;

/**
 * Plays the IAM authorizer of an HTTP API: signs what came once more, with the library that signs for AWS's SDKs, and compares. Signatures in the query
 * are not taken.
 *
 * @param secret of the access keys, see `access-keys.ts`
 * @param now milliseconds since the epoch
 * @see {@link https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html} Signature Version 4
 */
export function iamAuthorizer(secret: Buffer, now: () => number): IamAuthorizer {
  return async ({ method, target, headers, body }) => {
    const [, accessKeyId = '', day, place, whose, names = '', signature = ''] = form.exec(headers.authorization ?? '') ?? [];
    const at = timeOf(headers['x-amz-date']);
    if (place !== region || whose !== service || at === undefined || Math.abs(now() - at) > skewMs) return undefined;
    if (new Date(at).toISOString().slice(0, 10).replaceAll('-', '') !== day) return undefined;
    const signed = new Set(names.split(';'));
    // Who asks where, and what is said to AWS, must not be anybody's to change.
    const needed = ['host', ...Object.keys(headers).filter((name) => name.startsWith('x-amz-'))];
    if (!needed.every((name) => signed.has(name)) || ![...signed].every((name) => headers[name] !== undefined)) return undefined;
    const digest = createHash('sha256').update(body).digest('hex');
    if ((headers['x-amz-content-sha256'] ?? digest) !== digest) return undefined;
    const token = headers['x-amz-security-token'];
    const owner = ownerOf(secret, accessKeyId, typeof token === 'string' ? token : undefined, now() / 1000);
    if (owner === undefined) return undefined;
    const again = await (
      await signerFor(owner.key)
    ).sign(
      {
        method,
        protocol: 'https:',
        hostname: '',
        path: target.split('?')[0] ?? '/',
        query: queryOf(target),
        headers: Object.fromEntries([...signed].map((name) => [name, String(headers[name])])),
        body,
      },
      { signingDate: new Date(at), signableHeaders: signed },
    );
    const right = form.exec(again.headers['authorization'] ?? '')?.[6] ?? '';
    if (right.length !== signature.length || !timingSafeEqual(Buffer.from(right), Buffer.from(signature))) return undefined;
    return { ...owner.identity, accessKey: accessKeyId, cognitoIdentity: null, principalOrgId: null };
  };
}

async function signerFor({ accessKeyId, secretAccessKey, sessionToken }: AccessKey): Promise<SignatureV4> {
  // Loaded where AWS identities call, and only there.
  const [{ SignatureV4 }, { Sha256 }] = await Promise.all([import('@smithy/signature-v4'), import('@smithy/core/checksum')]);
  const credentials = { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
  return new SignatureV4({ region, service, credentials, sha256: Sha256, applyChecksum: false });
}

function timeOf(text: string | string[] | undefined): number | undefined {
  const [, ...parts] = time.exec(String(text ?? '')) ?? [];
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts.map(Number);
  return parts.length === 0 ? undefined : Date.UTC(year, month - 1, day, hour, minute, second);
}

/** Each name with all its values; a plus is a plus (RFC 3986). */
function queryOf(target: string): Record<string, string[]> {
  const query: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  const text = target.split('?').slice(1).join('?');
  for (const pair of text === '' ? [] : text.split('&')) {
    const [name = '', ...value] = pair.split('=').map(decoded);
    (query[name] ??= []).push(value.join('='));
  }
  return query;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
