import { createHash } from 'node:crypto';
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
import type { RevocationStore } from '#domain/revocation/store.ts';
import { canonicalSerial } from '#domain/x509/serial.ts';
import { logRefusal, type HttpRequest, type HttpResponse } from '../shared/http.ts';
import type { Responder } from './responders.ts';

const validitySeconds = 3600;
const maxAgeSeconds = 60;
const responseType = 'application/ocsp-response';

export interface OcspPorts {
  readonly statuses: Pick<RevocationStore, 'status'>;
  /** Undefined when we hold no such CA. */
  readonly responder: (caId: string) => Promise<Responder | undefined>;
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
      if (serial !== undefined) return await answer(ports, caId, responder, { certIds: [responder.certId(serial)] }, http);
      return await answer(ports, caId, responder, parseOcspRequest(get ? decodeOcspGetPath(tail ?? '') : http.body), http);
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
  const now = ports.now();
  const thisUpdate = new Date(Math.floor(now / 1000) * 1000);
  const nextUpdate = new Date(thisUpdate.getTime() + validitySeconds * 1000);
  const singles = await Promise.all(
    request.certIds.map(async (certId) => ({ certId, status: await statusOf(ports, caId, certId), thisUpdate, nextUpdate })),
  );
  const der = await buildOcspResponse(responder, { producedAt: thisUpdate, singles, ...(request.nonce && { nonce: request.nonce }) });
  const cacheControl =
    http.method === 'POST' || request.nonce !== undefined
      ? 'no-store'
      : `public, max-age=${maxAgeSeconds}, s-maxage=${maxAgeSeconds}, no-transform, must-revalidate`;
  return {
    status: 200,
    headers: {
      'content-type': responseType,
      'cache-control': cacheControl,
      'last-modified': thisUpdate.toUTCString(),
      expires: nextUpdate.toUTCString(),
      etag: `"${createHash('sha256').update(der).digest('hex')}"`,
    },
    body: http.method === 'HEAD' ? '' : der,
  };
}

async function statusOf(ports: OcspPorts, caId: string, certId: CertId): Promise<OcspStatus> {
  const status = await ports.statuses.status(caId, certId.serial);
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
