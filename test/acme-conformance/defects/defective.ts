import { freshNonce, flattened, type Signed } from '../client.ts';
import type { Key } from '../key.ts';
import type { Subject } from '../subject.ts';
import type { HttpAnswer, HttpRequest, Transport } from '../transport.ts';
import type { JsonObject } from '../verdict.ts';

/** A server with one thing wrong, and who must notice. */
export interface Defect {
  /** What the server does. */
  readonly what: string;
  /** The cases that must fail, and no others of their sections. */
  readonly caught: readonly string[];
  /** Only cases whose names have one of these are tried, when the defect would spoil what others build on. */
  readonly among?: readonly string[];
  readonly serve: Serve;
}

export type Serve = (request: HttpRequest, server: Server) => Promise<HttpAnswer>;

/** The server behind the defect. It knows the keys of the suite, so that it can put right what it should have refused. */
export interface Server {
  readonly subject: Subject;
  forward(request: HttpRequest): Promise<HttpAnswer>;
  /** What a request was made of. */
  signed(request: HttpRequest): Signed | undefined;
  /** Serves the request as it would have been without its mistake. A nonce is chosen anew unless it is to be kept. */
  repaired(request: HttpRequest, change: Partial<Signed>, keepNonce?: boolean): Promise<HttpAnswer>;
  /** Reads a resource as the account with that kid. */
  read(url: string, kid: string): Promise<HttpAnswer>;
  /** The account, if the suite made it. */
  keyOf(kid: string): Key | undefined;
  kidOf(jwk: JsonObject): string | undefined;
  /** The account that the cases share. */
  readonly owner: string;
}

/** Stands before a server; what it does wrong can be exchanged. */
export interface Interposer {
  defect: Serve | undefined;
  subject: Subject | undefined;
  owner: string;
  readonly transport: (way: Transport) => Transport;
  readonly observe: (body: string, signed: Signed) => void;
}

export function interpose(): Interposer {
  const seen = new Map<string, Signed>();
  const keys = new Map<string, Key>();
  const interposer: Interposer = {
    defect: undefined,
    subject: undefined,
    owner: '',
    observe: (body, signed) => void seen.set(body, signed),
    transport: (way) => {
      const forward = async (request: HttpRequest): Promise<HttpAnswer> => {
        const answer = await way(request);
        const jwk = seen.get(request.body ?? '')?.header['jwk'];
        const kid = answer.headers['location'];
        if (jwk !== undefined && kid?.includes('/account/') === true && answer.status < 300)
          keys.set(kid, seen.get(request.body ?? '')!.key);
        return answer;
      };
      return async (request) => {
        const { defect, subject, owner } = interposer;
        if (defect === undefined || subject === undefined) return forward(request);
        const resend = async (url: string, signed: Signed, keepNonce: boolean): Promise<HttpAnswer> => {
          const nonce = keepNonce ? signed.header['nonce'] : await freshNonce({ ...subject.connection, transport: way });
          const { url: _url, nonce: _nonce, ...header } = signed.header;
          const body = JSON.stringify(flattened({ ...signed, header: { ...header, url: signed.header['url'] ?? url, nonce } }));
          seen.set(body, signed);
          return forward({ url, method: 'POST', headers: { 'content-type': 'application/jose+json', accept: '*/*' }, body });
        };
        const server: Server = {
          subject,
          owner,
          forward,
          signed: ({ body }) => seen.get(body ?? ''),
          repaired(original, change, keepNonce = false) {
            const signed = seen.get(original.body ?? '');
            return signed === undefined ? forward(original) : resend(original.url, { ...signed, ...change }, keepNonce);
          },
          read(url, kid) {
            const key = keys.get(kid);
            if (key === undefined) throw new Error(`nobody registered ${kid}`);
            return resend(url, { header: { alg: key.alg, kid, url }, payload: '', key }, false);
          },
          keyOf: (kid) => keys.get(kid),
          kidOf: (jwk) => [...keys].find(([, key]) => key.jwk['x'] === jwk['x'])?.[0],
        };
        return defect(request, server);
      };
    },
  };
  return interposer;
}

// ---- what defects are made of ----

/** Which requests a defect concerns. */
export type Concern = (request: HttpRequest) => boolean;

export const at =
  (...parts: readonly string[]): Concern =>
  ({ url }) =>
    parts.some((part) => (part.startsWith('/') && part.endsWith('/') ? url.includes(part) : url.endsWith(part)));
export const anywhere: Concern = () => true;
export const orders: Concern = ({ url, method }) => method === 'POST' && /\/order\/[^/]+$/.test(url);
export const finalizes: Concern = ({ url }) => url.endsWith('/finalize');
export const accountUrls: Concern = ({ url, method }) => method === 'POST' && /\/account\/[^/]+$/.test(url);
export const authorizations: Concern = ({ url }) => url.includes('/authz/');
export const challenges: Concern = ({ url }) => url.includes('/challenge/');
export const certificates: Concern = ({ url }) => url.includes('/cert/');

/** A server that answers right but for a part of the answer. */
export function answering(concern: Concern, change: (answer: HttpAnswer, request: HttpRequest) => HttpAnswer): Serve {
  return async (request, server) => {
    const answer = await server.forward(request);
    return concern(request) ? change(answer, request) : answer;
  };
}

/** A server that overlooks what is wrong with a request. */
export function overlooking(
  concern: Concern,
  repair: (request: HttpRequest, server: Server, signed: Signed) => Promise<HttpAnswer> | undefined,
): Serve {
  return async (request, server) => {
    const signed = server.signed(request);
    const repaired = signed !== undefined && concern(request) ? repair(request, server, signed) : undefined;
    return repaired ?? server.forward(request);
  };
}

export function withHeaders(answer: HttpAnswer, headers: Readonly<Record<string, string | undefined>>): HttpAnswer {
  const entries = Object.entries({ ...answer.headers, ...headers }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { ...answer, headers: Object.fromEntries(entries) };
}

/** Changes the JSON object of an answer; what is no object stays. */
export function withObject(answer: HttpAnswer, change: (object: Record<string, unknown>) => JsonObject): HttpAnswer {
  let parsed: unknown;
  try {
    parsed = JSON.parse(answer.body);
  } catch {
    return answer;
  }
  if (typeof parsed !== 'object' || parsed === null) return answer;
  return { ...answer, body: JSON.stringify(change(parsed as Record<string, unknown>)) };
}

/** Answers with an object that is a little different. */
export function objects(concern: Concern, change: (object: Record<string, unknown>) => JsonObject): Serve {
  return answering(concern, (answer) => (answer.status < 300 ? withObject(answer, change) : answer));
}

export function without(object: JsonObject, ...names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));
}

const namespace = 'urn:ietf:params:acme:error:';

/** Renames one error, and may change its status. */
export function renaming(concern: Concern, from: string, to: string, status?: number): Serve {
  return answering(concern, (answer) => {
    const { type } = (answer.status >= 400 ? JSON.parse(answer.body || '{}') : {}) as { readonly type?: string };
    if (type !== namespace + from) return answer;
    return withObject({ ...answer, status: status ?? answer.status }, (object) => ({
      ...object,
      type: namespace + to,
      status: status ?? answer.status,
    }));
  });
}

/** Says yes to what the server refused with that error. */
export function granting(concern: Concern, body = '{}', ...statuses: readonly number[]): Serve {
  return answering(concern, (answer) =>
    answer.status >= 400 && (statuses.length === 0 || statuses.includes(answer.status))
      ? { status: 200, headers: { ...answer.headers, 'content-type': 'application/json' }, body }
      : answer,
  );
}

export function payloadOf(signed: Signed | undefined): Record<string, unknown> {
  if (signed === undefined || signed.payload === '') return {};
  return JSON.parse(Buffer.from(signed.payload, 'base64url').toString()) as Record<string, unknown>;
}

export function decoded(text: unknown): Record<string, unknown> {
  return JSON.parse(Buffer.from(String(text), 'base64url').toString()) as Record<string, unknown>;
}

export function jwsOf(request: HttpRequest): Record<string, unknown> {
  try {
    return JSON.parse(request.body ?? '{}') as Record<string, unknown>;
  } catch {
    return { compact: request.body };
  }
}
