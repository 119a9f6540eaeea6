import { createHash } from 'node:crypto';
import * as z from 'zod/mini';
import { envelope } from '#adapters/kms/envelope.ts';
import { connectDatabase } from '#adapters/postgres/connection.ts';
import { crlStore } from '#adapters/postgres/crls.ts';
import { authoritySource } from '#adapters/postgres/authority-source.ts';
import { ocspResponseStore } from '#adapters/postgres/ocsp-responses.ts';
import { responderStore } from '#adapters/postgres/responders.ts';
import { revocationStore } from '#adapters/postgres/revocations.ts';
import { artifacts } from '#adapters/s3/artifacts.ts';
import { CaError, type ErrorCode } from '#domain/error.ts';
import { scopeText, type CrlScope } from '#domain/revocation/crl-scope.ts';
import { crlHeader } from '#domain/revocation/crl.ts';
import { newestCrlKey } from '#domain/revocation/crl-shelf.ts';
import { authorities } from '../shared/authorities.ts';
import { chance } from '../shared/chance.ts';
import { crlPublisher, crlShelf } from '../shared/crl-publisher.ts';
import { environment } from '../shared/environment.ts';
import { httpFunction, logRefusal, type HttpRequest, type HttpResponse } from '../shared/http.ts';
import { addressOf } from '../shared/address-of.ts';
import { connectLimiter } from '../shared/limiter.ts';
import { log } from '../shared/log.ts';
import { isNotModified } from '../shared/not-modified.ts';
import { clientAddress } from './client-address.ts';
import { ocspService, ocspTryLater } from './ocsp.ts';
import { responders } from './responders.ts';
import { unlessRestored } from './restored.ts';

const settings = z
  .object({
    ...environment.database,
    ...environment.artifacts,
    ...environment.envelope,
    /** What the distribution adds to its requests; undefined: there is none. */
    ORIGIN_TOKEN: z.optional(z.string().check(z.minLength(1))),
  })
  .parse(process.env);

const database = connectDatabase(settings, 'revocation', 20_000);
const sealed = envelope(settings.ENVELOPE_KEY_ARN);
const issuance = authoritySource(database);
const authority = authorities(issuance, sealed);
const shelf = crlShelf(artifacts(settings.ARTIFACT_BUCKET));
const crls = crlStore(database);
const publish = crlPublisher({ store: crls, shelf, authority, now: () => chance.now() });
const ocsp = ocspService({
  statuses: revocationStore(database),
  responses: ocspResponseStore(database),
  responder: responders({ store: responderStore(database), authority, envelope: sealed, chance }),
  unlessRestored: unlessRestored({ store: crls, shelf, authority, opened: () => database.opened(), now: () => chance.now() }),
  now: () => chance.now(),
});
const limits = connectLimiter('revocation', process.env);

const caPath = /^\/\.well-known\/pki\/(crl|ca|ocsp)\/([a-z0-9-]{1,63})(\.crl|\.cer)?(?:\/(.*))?$/s;
const shardTail = /^([1-9][0-9]{0,5})\.crl$/;
const statuses: Partial<Record<ErrorCode, number>> = {
  notFound: 404,
  methodNotAllowed: 405,
  unsupportedMediaType: 415,
  payloadTooLarge: 413,
  unavailable: 503,
};

/** CRLs, OCSP and CA certificates: public, unauthenticated, over plain http too (RFC 5280 §4.2.1.13, RFC 6960, RFC 5019). */
export const handler = httpFunction(serve, {
  maxBodyBytes: 20 * 1024,
  wake: (now) => database.wake(now),
  refuse: async (error, request) => {
    const code = error instanceof CaError ? error.code : 'internal';
    const status = statuses[code] ?? 500;
    logRefusal(error, request, status);
    const detail = error instanceof CaError && code !== 'internal' ? error.message : 'something went wrong on our side';
    return {
      status,
      headers: {
        'content-type': 'text/plain; charset=utf-8',
        'cache-control': 'no-store',
        ...(error instanceof CaError && error.allow !== undefined && { allow: error.allow.join(', ') }),
        ...(error instanceof CaError && error.retryAfter !== undefined && { 'retry-after': String(error.retryAfter) }),
      },
      body: `${detail}\n`,
    };
  },
});

async function serve(request: HttpRequest): Promise<HttpResponse> {
  const match = caPath.exec(request.path);
  const [, kind, caId = '', suffix, tail] = match ?? [];
  if (kind === 'ocsp' && suffix === undefined) {
    const refused = await refusedOcsp(request);
    return refused ?? ocsp(caId, tail, request);
  }
  if (kind === 'crl' && suffix !== '.cer' && tail === undefined) return readOnly(request, () => crl({ caId, shard: undefined }, request));
  const shard = kind === 'crl' && suffix === undefined ? shardTail.exec(tail ?? '')?.[1] : undefined;
  if (shard !== undefined) return readOnly(request, () => crl({ caId, shard: Number(shard) }, request));
  if (kind === 'ca' && suffix === '.cer' && tail === undefined) return readOnly(request, () => caCertificate(caId, request));
  throw new CaError('notFound', 'no such resource');
}

/** More questions than an address may ask are answered with tryLater: no claim about a certificate (RFC 6960 §2.3). */
async function refusedOcsp(request: HttpRequest): Promise<HttpResponse | undefined> {
  try {
    await limits.limiter.take('ocsp-address', addressOf(clientAddress(request, settings.ORIGIN_TOKEN)));
    return undefined;
  } catch (error) {
    if (!(error instanceof CaError) || error.code !== 'rateLimited') throw error;
    return ocspTryLater(error.retryAfter ?? 1);
  }
}

async function readOnly(request: HttpRequest, read: () => Promise<HttpResponse>): Promise<HttpResponse> {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw new CaError('methodNotAllowed', 'this resource is read with GET', { allow: ['GET', 'HEAD'] });
  return read();
}

async function crl(scope: CrlScope, request: HttpRequest): Promise<HttpResponse> {
  const now = chance.now();
  let body = (await shelf.get(newestCrlKey(scope)))?.body;
  // Only what was never published, or whose publisher has been asleep for a day, costs a query here.
  if (body === undefined || crlHeader(body).nextUpdate.getTime() <= now) body = await freshCrl(scope);
  const { thisUpdate, nextUpdate } = crlHeader(body);
  const maxAge = Math.max(0, Math.min(60, Math.floor((nextUpdate.getTime() - now) / 1000)));
  return cacheable(request, body, 'application/pkix-crl', `public, max-age=${maxAge}, s-maxage=${maxAge}, must-revalidate`, {
    'last-modified': thisUpdate.toUTCString(),
    expires: nextUpdate.toUTCString(),
  });
}

async function freshCrl(scope: CrlScope): Promise<Uint8Array> {
  if ((await issuance.authority(scope.caId)) === undefined) throw new CaError('notFound', 'no such certificate authority');
  try {
    return await publish(scope);
  } catch (cause) {
    if (cause instanceof CaError && cause.code === 'notFound') throw cause;
    log.error('no valid CRL could be published', { crl: scopeText(scope), error: cause as Error });
    throw new CaError('unavailable', 'there is no valid CRL at the moment', { cause, retryAfter: 30 });
  }
}

async function caCertificate(caId: string, request: HttpRequest): Promise<HttpResponse> {
  const found = await issuance.authority(caId);
  if (found === undefined) throw new CaError('notFound', 'no such certificate authority');
  return cacheable(request, found.certificate, 'application/pkix-cert', 'public, max-age=86400', {});
}

function cacheable(
  request: HttpRequest,
  body: Uint8Array,
  type: string,
  cacheControl: string,
  more: Readonly<Record<string, string>>,
): HttpResponse {
  const etag = `"${createHash('sha256').update(body).digest('hex')}"`;
  const headers = { etag, 'cache-control': cacheControl, ...more };
  const asked = request.headers['if-none-match'];
  if (asked !== undefined && isNotModified(asked, etag)) return { status: 304, headers };
  const since = Date.parse(request.headers['if-modified-since'] ?? '');
  if (asked === undefined && more['last-modified'] !== undefined && since >= Date.parse(more['last-modified']))
    return { status: 304, headers };
  return {
    status: 200,
    headers: { 'content-type': type, 'content-length': String(body.length), ...headers },
    body: request.method === 'HEAD' ? '' : body,
  };
}
