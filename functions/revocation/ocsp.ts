import { hash } from 'node:crypto';
import { CaError } from '#domain/error.ts';
import {
  certIdMatches,
  decodeOcspGetPath,
  OcspError,
  parseOcspRequest,
  type CertId,
  type OcspRequest,
} from '#domain/revocation/ocsp-request.ts';
import { buildOcspResponse, ocspError, type OcspStatus } from '#domain/revocation/ocsp-response.ts';
import type { KnownStatus, OcspResponseStore, PreparedResponse } from '#domain/revocation/ocsp-store.ts';
import type { RevocationStore } from '#domain/revocation/store.ts';
import { canonicalSerial } from '#domain/x509/serial.ts';
import { logRefusal, type HttpRequest, type HttpResponse } from '../shared/http.ts';
import { log } from '../shared/log.ts';
import { isNotModified } from '../shared/not-modified.ts';
import type { Responder } from './responders.ts';

/** Of a response to a nonce or to several questions, which is nobody else's. */
const freshSeconds = 3600;
/** Of one that is given again until half of it is over (RFC 5019 §4). */
const preparedSeconds = 12 * 3600;
const maxAgeSeconds = 60;
const responseType = 'application/ocsp-response';

export interface OcspPorts {
  readonly statuses: Pick<RevocationStore, 'status'>;
  readonly responses: Pick<OcspResponseStore, 'find' | 'keep'>;
  /** Undefined when we hold no such CA. */
  readonly responder: (caId: string) => Promise<Responder | undefined>;
  /** Does what must not be done with a database that is behind what was published. @throws {CaError} `unavailable` */
  readonly unlessRestored: <T>(caId: string, work: () => Promise<T>) => Promise<T>;
  readonly now: () => number;
}

/**
 * OCSP over HTTP by POST and by GET (RFC 6960 §A.1, RFC 5019 §5). What goes wrong is an OCSPResponse with HTTP status 200, but for a body
 * that is no OCSP request by its type.
 */
export function ocspService(ports: OcspPorts): (caId: string, tail: string | undefined, request: HttpRequest) => Promise<HttpResponse> {
  return async (caId, tail, http) => {
    const get = http.method === 'GET' || http.method === 'HEAD';
    if (!get && http.method !== 'POST')
      throw new CaError('methodNotAllowed', 'OCSP is asked by GET or POST', { allow: ['GET', 'HEAD', 'POST'] });
    if (!get) assertRequestType(http.headers['content-type']);
    try {
      const responder = await ports.responder(caId);
      if (responder === undefined) throw new OcspError('unauthorized');
      const serial = get ? serialForm(tail ?? '') : undefined;
      const asked =
        serial === undefined ? parseOcspRequest(get ? decodeOcspGetPath(tail ?? '') : http.body) : { certIds: [responder.certId(serial)] };
      return await ports.unlessRestored(caId, () => answer(ports, caId, responder, asked, http));
    } catch (error) {
      if (error instanceof OcspError) return failure(ocspError[error.status]);
      // An outage is not a fact about a certificate: nothing is signed.
      logRefusal(error, http, 200);
      return failure(error instanceof CaError && error.code === 'unavailable' ? ocspError.tryLater : ocspError.internalError);
    }
  };
}

/** `/ocsp/{ca}/{serial hex}`, with or without `serial/` before it: for people with curl. */
function serialForm(tail: string): string | undefined {
  const explicit = tail.startsWith('serial/');
  const text = explicit ? tail.slice('serial/'.length) : tail;
  if (!/^[0-9a-fA-F:]{1,60}$/.test(text)) {
    if (explicit) throw new OcspError('malformedRequest');
    return undefined;
  }
  const serial = canonicalSerial(text);
  return serial !== undefined && serial.length <= 40 ? serial : undefined;
}

async function answer(
  ports: OcspPorts,
  caId: string,
  responder: Responder,
  request: OcspRequest,
  http: HttpRequest,
): Promise<HttpResponse> {
  if (request.certIds.some((certId) => !certIdMatches(certId, responder.issuer))) throw new OcspError('unauthorized');
  const [only] = request.certIds;
  if (request.nonce === undefined && request.certIds.length === 1 && only !== undefined)
    return cacheable(await prepared(ports, caId, responder, only), http, ports.now());
  const { thisUpdate, nextUpdate } = life(ports.now(), freshSeconds);
  const singles = await Promise.all(
    request.certIds.map(async (certId) => {
      const status = statusOf(await ports.statuses.status(caId, certId.serial));
      return { certId, status, thisUpdate, nextUpdate };
    }),
  );
  const response = await buildOcspResponse(responder, { producedAt: thisUpdate, singles, ...(request.nonce && { nonce: request.nonce }) });
  return answered({ response, thisUpdate, nextUpdate }, 'no-store', http);
}

/** The response that was signed for this very question and status, or a new one, which is kept for the next who asks. */
async function prepared(ports: OcspPorts, caId: string, responder: Responder, certId: CertId): Promise<PreparedResponse> {
  const key = { caId, certId, responderId: responder.id };
  const found = await ports.responses.find(key, new Date(ports.now()));
  if (found.prepared !== undefined) return found.prepared;
  // What nobody issued may be issued a moment later, and would fill the store.
  const { thisUpdate, nextUpdate } = life(ports.now(), found.status === undefined ? freshSeconds : preparedSeconds);
  const single = { certId, status: statusOf(found.status), thisUpdate, nextUpdate };
  const response = await buildOcspResponse(responder, { producedAt: thisUpdate, singles: [single] });
  if (found.status !== undefined) {
    try {
      await ports.responses.keep(key, found.mark, { response, thisUpdate, nextUpdate });
    } catch (error) {
      log.warn('an OCSP response was not kept', { caId, error: error as Error });
    }
  }
  return { response, thisUpdate, nextUpdate };
}

function life(now: number, seconds: number): { readonly thisUpdate: Date; readonly nextUpdate: Date } {
  const thisUpdate = new Date(Math.floor(now / 1000) * 1000);
  return { thisUpdate, nextUpdate: new Date(thisUpdate.getTime() + seconds * 1000) };
}

/** A GET's answer for caches (RFC 9111, RFC 5019 §6); a POST's is for its asker alone. */
function cacheable(response: PreparedResponse, http: HttpRequest, now: number): HttpResponse {
  if (http.method === 'POST') return answered(response, 'no-store', http);
  const maxAge = Math.max(0, Math.min(maxAgeSeconds, Math.floor((response.nextUpdate.getTime() - now) / 1000)));
  return answered(response, `public, max-age=${maxAge}, s-maxage=${maxAge}, no-transform, must-revalidate`, http);
}

function answered({ response, thisUpdate, nextUpdate }: PreparedResponse, cacheControl: string, http: HttpRequest): HttpResponse {
  const etag = `"${hash('sha256', response, 'hex')}"`;
  const headers = {
    'cache-control': cacheControl,
    'last-modified': thisUpdate.toUTCString(),
    expires: nextUpdate.toUTCString(),
    etag,
  };
  const seen = http.headers['if-none-match'];
  if (http.method !== 'POST' && seen !== undefined && isNotModified(seen, etag)) return { status: 304, headers };
  return { status: 200, headers: { 'content-type': responseType, ...headers }, body: http.method === 'HEAD' ? '' : response };
}

function statusOf(status: KnownStatus): OcspStatus {
  if (status === undefined) return { status: 'unknown' };
  return status === 'good' ? { status: 'good' } : { status: 'revoked', ...status };
}

/** @param retryAfter whole seconds */
export function ocspTryLater(retryAfter: number): HttpResponse {
  const refusal = failure(ocspError.tryLater);
  return { ...refusal, headers: { ...refusal.headers, 'retry-after': String(retryAfter) } };
}

function failure(body: Uint8Array): HttpResponse {
  return { status: 200, headers: { 'content-type': responseType, 'cache-control': 'no-store' }, body };
}

function assertRequestType(header: string | undefined): void {
  if (header !== undefined && header !== '' && !header.toLowerCase().includes('ocsp-request')) {
    throw new CaError('unsupportedMediaType', 'the Content-Type must be application/ocsp-request');
  }
}
