import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { idempotencyKey } from '#contract/header.ts';
import type { Route } from '#contract/route.ts';
import type { Envelope } from '#adapters/kms/envelope.ts';
import type { IdempotencyKeys } from '#adapters/postgres/idempotency.ts';
import type { Caller } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';
import type { HttpRequest, HttpResponse } from '../shared/http.ts';

export type Once = (
  request: HttpRequest,
  route: Route,
  caller: Caller | undefined,
  run: () => Promise<HttpResponse>,
) => Promise<HttpResponse>;

const ivBytes = 12;
const tagBytes = 16;
const keptHeaders = ['content-type', 'etag'];

/**
 * Runs a change once for each `Idempotency-Key` of a caller; a repetition gets the first answer again. What a request was refused for is not kept:
 * it changed nothing, and may be sent again under its key.
 *
 * @see {@link https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/}
 */
export function once(keys: IdempotencyKeys, envelope: Envelope): Once {
  return async (request, route, caller, run) => {
    const said = request.headers['idempotency-key'];
    if (said === undefined || caller === undefined) return run();
    if (!idempotencyKey.safeParse(said).success)
      throw new CaError('malformed', 'the header: Idempotency-Key: 8 to 128 letters, digits, dots, colons, hyphens, underscores or tildes');
    const keyed = {
      caller: caller.id,
      key: said.replaceAll('"', ''),
      digest: digestOf(request),
      claim: randomBytes(16).toString('base64url'),
    };
    const context = `idempotency:${keyed.caller}:${keyed.key}`;
    const begun = await keys.begin(keyed);
    if (begun === 'another')
      throw new CaError('idempotencyMismatch', 'this Idempotency-Key was used for another request; use a new one for each');
    if (begun === 'underWay')
      throw new CaError('conflict', 'the first request with this Idempotency-Key is under way; try again', { retryAfter: 1 });
    if (begun === 'unanswered')
      throw new CaError('conflict', 'the first request with this Idempotency-Key took effect, and its answer was lost; look what is there');
    if (begun !== 'begun') {
      const body = route.secret === true ? await open(envelope, context, begun.body) : begun.body;
      return {
        status: begun.status,
        headers: { ...begun.headers, 'idempotency-replayed': 'true' },
        body: Buffer.from(body).toString('utf8'),
      };
    }
    let response: HttpResponse;
    try {
      response = await keys.within(keyed, run);
    } catch (error) {
      // What cannot be released ends by itself.
      await keys.release(keyed).catch(() => undefined);
      throw error;
    }
    const plain = Buffer.from(response.body ?? '');
    const headers = Object.fromEntries(Object.entries(response.headers ?? {}).filter(([name]) => keptHeaders.includes(name)));
    const body = route.secret === true ? await close(envelope, context, plain) : plain;
    await keys.keep(keyed, { status: response.status, headers, body });
    return response;
  };
}

function digestOf({ method, path, query, body }: HttpRequest): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([method, path, query]))
    .update(body)
    .digest();
}

/** AES-256-GCM under a key of its own, which the envelope key seals: answers may be longer than what that takes. */
async function close(envelope: Envelope, context: string, plain: Uint8Array): Promise<Buffer> {
  const key = randomBytes(32);
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const sealed = await envelope.seal(key, context);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(sealed.length);
  return Buffer.concat([length, sealed, iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

async function open(envelope: Envelope, context: string, kept: Uint8Array): Promise<Buffer> {
  const bytes = Buffer.from(kept);
  const end = 2 + bytes.readUInt16BE();
  const key = await envelope.unseal(bytes.subarray(2, end), context);
  const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(end, end + ivBytes));
  cipher.setAuthTag(bytes.subarray(-tagBytes));
  return Buffer.concat([cipher.update(bytes.subarray(end + ivBytes, -tagBytes)), cipher.final()]);
}
