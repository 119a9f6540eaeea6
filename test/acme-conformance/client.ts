import { base64url, signature, type Key } from './key.ts';
import type { HttpAnswer, Transport } from './transport.ts';
import { errorOf, hold, NotApplicable, show, textOf, type JsonObject } from './verdict.ts';

/** What a request does otherwise than RFC 8555 says. */
export interface Mistakes {
  /** Members of the protected header, set or replaced. */
  readonly header?: JsonObject;
  /** Members of the protected header that are left out. */
  readonly without?: readonly string[];
  /** Signs in place of the client's own key. */
  readonly signedBy?: Key;
  /** Rewrites the finished JWS. */
  readonly rewrite?: (jws: FlattenedJws) => object | string;
  readonly contentType?: string;
  readonly accept?: string;
}

export interface FlattenedJws {
  readonly protected: string;
  readonly payload: string;
  readonly signature: string;
}

/** What a request was made of. */
export interface Signed {
  readonly header: JsonObject;
  /** Base64url. */
  readonly payload: string;
  readonly key: Key;
}

/** The way to a server: its directory, and nonces that were received and not used yet. */
export interface Connection {
  readonly transport: Transport;
  readonly directory: JsonObject;
  readonly nonces: string[];
  /** Told of each request before it is sent. */
  readonly observe?: ((body: string, signed: Signed) => void) | undefined;
}

export interface Client {
  readonly connection: Connection;
  key: Key;
  /** URL of the account; empty: requests carry the key. */
  kid: string;
}

/** The URL of a resource that the directory must or may name. */
export function resource({ directory }: Pick<Connection, 'directory'>, name: string): string {
  if (!(name in directory)) throw new NotApplicable(`the directory has no ${name}`);
  return textOf(directory, name);
}

/** A nonce nobody has used. */
export async function freshNonce(connection: Connection): Promise<string> {
  const answer = await connection.transport({ url: resource(connection, 'newNonce'), method: 'HEAD', headers: {} });
  const nonce = answer.headers['replay-nonce'];
  hold(nonce !== undefined, `newNonce gave no nonce: ${answer.status}`);
  return nonce;
}

/** @param payload undefined: the empty one of POST-as-GET */
export async function seal(client: Client, url: string, payload: unknown, mistakes: Mistakes = {}): Promise<string> {
  const nonce = client.connection.nonces.pop() ?? (await freshNonce(client.connection));
  const key = mistakes.signedBy ?? client.key;
  const identity = client.kid === '' ? { jwk: client.key.jwk } : { kid: client.kid };
  const header: Record<string, unknown> = { alg: key.alg, nonce, url, ...identity, ...mistakes.header };
  for (const name of mistakes.without ?? []) Reflect.deleteProperty(header, name);
  const signed: Signed = { header, payload: payload === undefined ? '' : base64url(payload as object), key };
  const jws = flattened(signed);
  const rewritten = mistakes.rewrite?.(jws) ?? jws;
  const body = typeof rewritten === 'string' ? rewritten : JSON.stringify(rewritten);
  client.connection.observe?.(body, signed);
  return body;
}

/** Flattened JSON serialization (RFC 7515 §7.2.2). */
export function flattened({ header, payload, key }: Signed): FlattenedJws {
  const head = base64url(header);
  return { protected: head, payload, signature: signature(key, `${head}.${payload}`) };
}

/**
 * Signs and posts. A refusal for the nonce alone is answered with another try, as RFC 8555 §6.5 wants of clients, unless the nonce was chosen by the
 * case; so is a server that is busy.
 *
 * @param payload undefined: POST-as-GET
 * @throws {NotApplicable} when the server limits how often it is asked (RFC 8555 §6.6)
 */
export async function post(client: Client, url: string, payload?: unknown, mistakes: Mistakes = {}): Promise<HttpAnswer> {
  const own = mistakes.header?.['nonce'] === undefined && mistakes.without?.includes('nonce') !== true;
  for (let attempt = 1; ; attempt++) {
    const answer = await send(client.connection, url, await seal(client, url, payload, mistakes), mistakes);
    if (answer.status === 429) throw new NotApplicable(`the server limits how often it is asked: ${show(answer)}`);
    const again = answer.status === 503 || (own && errorOf(answer) === 'badNonce');
    if (!again || attempt === 4) return answer;
    if (answer.status === 503) await pause(Math.min(10, Number(answer.headers['retry-after'] ?? 1) || 1));
  }
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

/** Posts a body as it is. */
export async function send(connection: Connection, url: string, body: string, mistakes: Mistakes = {}): Promise<HttpAnswer> {
  const headers = {
    'content-type': mistakes.contentType ?? 'application/jose+json',
    ...(mistakes.accept !== undefined && { accept: mistakes.accept }),
  };
  const answer = await connection.transport({ url, method: 'POST', headers, body });
  const nonce = answer.headers['replay-nonce'];
  if (nonce !== undefined) connection.nonces.push(nonce);
  return answer;
}

const firstWaitMs = 25;
const longestWaitMs = 2000;

/** Reads a resource until its status is none of the passing ones. */
export async function settled(client: Client, url: string, passing: readonly string[], seconds: number): Promise<JsonObject> {
  const deadline = Date.now() + seconds * 1000;
  for (let wait = firstWaitMs; ; wait = Math.min(longestWaitMs, wait * 1.5)) {
    const answer = await post(client, url);
    hold(answer.status === 200, `reading ${url} was answered with ${answer.status} ${answer.body.slice(0, 300)}`);
    const body = JSON.parse(answer.body) as JsonObject;
    if (!passing.includes(String(body['status']))) return body;
    hold(Date.now() < deadline, `${url} is still ${String(body['status'])} after ${seconds} s`);
    await pause(wait / 1000);
  }
}
