import { createHash, createHmac, createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import http from 'node:http';
import { makeCsr } from '../acme-conformance/certification-request.ts';
import { request, type Answer, type Target } from '../platform.ts';

/** An ACME client that can also do everything wrong. */
export interface AcmeClient {
  readonly directory: Readonly<Record<string, unknown>>;
  readonly jwk: Readonly<Record<string, string>>;
  readonly thumbprint: string;
  readonly key: KeyObject;
  kid: string;
  nonce(): Promise<string>;
  /** Signs and posts; `undefined` is POST-as-GET. */
  post(url: string, payload?: unknown, overrides?: Overrides): Promise<Answer>;
  /** The flattened JWS that `post` would send. */
  jws(url: string, payload: unknown, overrides?: Overrides): Promise<Record<string, unknown>>;
  register(payload?: object): Promise<Answer>;
  /** Orders, proves by http-01 at the door, finalizes and downloads. */
  issue(name: string): Promise<Issued>;
  order(name: string): Promise<{ readonly url: string; readonly body: Record<string, unknown> }>;
}

export interface Issued {
  readonly order: string;
  readonly pem: string;
  /** DER of the leaf. */
  readonly der: Buffer;
  readonly key: KeyObject;
}

export interface Overrides {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly without?: readonly string[];
  readonly body?: string;
  readonly contentType?: string;
  readonly signature?: string;
  /** Of the HTTP request. */
  readonly headers?: Readonly<Record<string, string>>;
}

const b64u = (data: string | Uint8Array): string => Buffer.from(data).toString('base64url');

/** Answers http-01 on a port of loopback. */
export interface Responder {
  readonly port: number;
  readonly answers: Map<string, string | { status: number; headers?: Record<string, string>; body?: string }>;
  readonly hits: string[];
  stop(): Promise<void>;
}

export async function startResponder(): Promise<Responder> {
  const answers: Responder['answers'] = new Map();
  const hits: string[] = [];
  const server = http.createServer((incoming, response) => {
    const token = incoming.url?.split('/').at(-1) ?? '';
    hits.push(incoming.url ?? '');
    const answer = answers.get(token) ?? answers.get('*');
    if (answer === undefined) response.writeHead(404).end();
    else if (typeof answer === 'string') response.writeHead(200).end(answer);
    else response.writeHead(answer.status, answer.headers).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    answers,
    hits,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface ClientOptions {
  readonly profile?: string;
  readonly responder?: Responder;
  /** P-256, private; a fresh one otherwise. */
  readonly key?: KeyObject;
}

export async function acmeClient(platform: Target, options: ClientOptions = {}): Promise<AcmeClient> {
  const directory = (await request(platform, `${platform.url}/acme/profile/${options.profile ?? 'default'}/directory`)).json();
  const key = options.key ?? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const exported = createPublicKey(key).export({ format: 'jwk' });
  const jwk = { crv: String(exported.crv), kty: 'EC', x: String(exported.x), y: String(exported.y) };
  const thumbprint = createHash('sha256').update(JSON.stringify(jwk)).digest('base64url');

  const client: AcmeClient = {
    directory,
    jwk,
    thumbprint,
    key,
    kid: '',
    async nonce() {
      return (await request(platform, String(directory['newNonce']), { method: 'HEAD' })).headers['replay-nonce'] ?? '';
    },
    async jws(url, payload, overrides = {}) {
      const identity = client.kid === '' ? { jwk } : { kid: client.kid };
      const header: Record<string, unknown> = { alg: 'ES256', nonce: await client.nonce(), url, ...identity, ...overrides.header };
      for (const name of overrides.without ?? []) Reflect.deleteProperty(header, name);
      const head = b64u(JSON.stringify(header));
      const body = payload === undefined ? '' : b64u(JSON.stringify(payload));
      const signature = overrides.signature ?? b64u(sign('sha256', Buffer.from(`${head}.${body}`), { key, dsaEncoding: 'ieee-p1363' }));
      return { protected: head, payload: body, signature };
    },
    async post(url, payload, overrides = {}) {
      const body = overrides.body ?? JSON.stringify(await client.jws(url, payload, overrides));
      return request(platform, url, {
        method: 'POST',
        headers: { 'content-type': overrides.contentType ?? 'application/jose+json', ...overrides.headers },
        body,
      });
    },
    async register(payload = {}) {
      const answer = await client.post(String(directory['newAccount']), { termsOfServiceAgreed: true, ...payload });
      if (answer.status < 300) client.kid = answer.headers['location'] ?? '';
      return answer;
    },
    async order(name) {
      const answer = await client.post(String(directory['newOrder']), { identifiers: [{ type: 'dns', value: name }] });
      if (answer.status !== 201) throw new Error(`newOrder: ${answer.status} ${answer.text}`);
      return { url: answer.headers['location'] ?? '', body: answer.json() };
    },
    async issue(name) {
      const { url, body } = await client.order(name);
      if (body['status'] === 'pending') await prove(client, body, options.responder);
      const ready = await poll(client, url, 'ready');
      const { csr, privateKey } = makeCsr([name]);
      const finalized = await client.post(String(ready['finalize']), { csr: b64u(csr) });
      if (finalized.status !== 200) throw new Error(`finalize: ${finalized.status} ${finalized.text}`);
      const valid = await poll(client, url, 'valid');
      const pem = (await client.post(String(valid['certificate']))).text;
      return { order: url, pem, der: firstCertificate(pem), key: privateKey };
    },
  };
  return client;
}

/** A client whose account is there. */
export async function registered(platform: Target, options: ClientOptions = {}): Promise<AcmeClient> {
  const client = await acmeClient(platform, options);
  await client.register();
  return client;
}

/** Answers the http-01 challenge of each authorization and waits for its end. */
export async function prove(client: AcmeClient, order: Record<string, unknown>, responder: Responder | undefined): Promise<void> {
  if (responder === undefined) throw new Error('a pending order needs a responder');
  for (const url of order['authorizations'] as string[]) {
    const challenge = await challengeOf(client, url, 'http-01');
    responder.answers.set(challenge.token, `${challenge.token}.${client.thumbprint}`);
    await client.post(challenge.url, {});
    await poll(client, url, 'valid');
  }
}

export async function challengeOf(
  client: AcmeClient,
  authorization: string,
  type: string,
): Promise<{ url: string; token: string; status: string }> {
  const challenges = (await client.post(authorization)).json()['challenges'] as {
    type: string;
    url: string;
    token: string;
    status: string;
  }[];
  const found = challenges.find((challenge) => challenge.type === type);
  if (found === undefined) throw new Error(`no ${type} challenge`);
  return found;
}

/** Reads a resource until it has a status; another final status is an error. */
export async function poll(client: AcmeClient, url: string, status: string, seconds = 70): Promise<Record<string, unknown>> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await client.post(url);
    const body = answer.json();
    if (body['status'] === status) return body;
    if (answer.status >= 400 || body['status'] === 'invalid' || Date.now() > deadline) throw new Error(`${url} is ${answer.text}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** An external account binding for a client's key. */
export function bind(
  client: AcmeClient,
  key: { readonly key_id: string; readonly hmac_key: string },
  overrides: Record<string, unknown> = {},
): object {
  const head = b64u(JSON.stringify({ alg: 'HS256', kid: key.key_id, url: client.directory['newAccount'], ...overrides }));
  const body = b64u(JSON.stringify(client.jwk));
  const signature = createHmac('sha256', Buffer.from(key.hmac_key, 'base64url')).update(`${head}.${body}`).digest('base64url');
  return { protected: head, payload: body, signature };
}

/** A name that nobody has used. */
export function freshName(): string {
  return `${randomBytes(6).toString('hex')}.localhost`;
}

export function firstCertificate(pem: string): Buffer {
  return Buffer.from(/-----BEGIN CERTIFICATE-----\n([\s\S]*?)-----END/.exec(pem)?.[1] ?? '', 'base64');
}
