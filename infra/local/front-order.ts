import { createHmac, sign } from 'node:crypto';
import https from 'node:https';
import type { FrontCertificate } from './copy/protocol.ts';
import { certificationRequest, newKeyPair, privatePem } from './front-certificate.ts';

export interface FrontOrder {
  /** Of the front. */
  readonly url: string;
  /** The administrator's. */
  readonly token: string;
  /** PEM of who vouches for the front as it is now. */
  readonly trust: string;
}

interface Answer {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
  json(): Record<string, unknown>;
}

interface Request {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const pollMs = 50;
const patienceMs = 60_000;

/**
 * Orders the front's certificate over ACME (RFC 8555 §7.4) from the platform itself, invited by an EAB key of its own.
 *
 * @throws {Error} with the address that refuses, and what it says
 */
export async function orderFront({ url, token, trust }: FrontOrder): Promise<FrontCertificate> {
  const agent = new https.Agent({ ca: trust, keepAlive: true });
  try {
    const call = (to: string, request: Request): Promise<Answer> => send(agent, to, request);
    const invitation = await call(`${url}/api/v1/eab-keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ profile: 'internal', description: 'HTTPS front of this host', max_uses: 1 }),
    });
    const keys = newKeyPair();
    return {
      chain: await issued(call, `${url}/acme/profile/internal/directory`, invitation.json(), certificationRequest(keys)),
      key: privatePem(keys),
    };
  } finally {
    agent.destroy();
  }
}

/** @returns the chain, PEM */
async function issued(
  call: (url: string, request: Request) => Promise<Answer>,
  directoryUrl: string,
  invitation: Readonly<Record<string, unknown>>,
  csr: Buffer,
): Promise<string> {
  const directory = (await call(directoryUrl, { method: 'GET' })).json() as Record<'newNonce' | 'newAccount' | 'newOrder', string>;
  const account = newKeyPair();
  const { kty, crv, x, y } = account.publicKey.export({ format: 'jwk' });
  const jwk = { kty, crv, x, y };
  let identity: object = { jwk };
  let nonce = (await call(directory.newNonce, { method: 'HEAD' })).headers['replay-nonce'];
  /** An empty payload asks (POST-as-GET, §6.3). */
  const post = async (url: string, payload?: object): Promise<Answer> => {
    const signer = (input: string): Buffer => sign('sha256', Buffer.from(input), { key: account.privateKey, dsaEncoding: 'ieee-p1363' });
    const body = jws({ alg: 'ES256', ...identity, nonce, url }, payload, signer);
    const answer = await call(url, { method: 'POST', headers: { 'content-type': 'application/jose+json' }, body: JSON.stringify(body) });
    nonce = answer.headers['replay-nonce'];
    return answer;
  };
  const binding = jws({ alg: 'HS256', kid: invitation['key_id'], url: directory.newAccount }, jwk, (input) =>
    createHmac('sha256', Buffer.from(String(invitation['hmac_key']), 'base64url'))
      .update(input)
      .digest(),
  );
  const registered = await post(directory.newAccount, { termsOfServiceAgreed: true, externalAccountBinding: binding });
  identity = { kid: registered.headers['location'] };
  const ordered = await post(directory.newOrder, { identifiers: [{ type: 'dns', value: 'localhost' }] });
  let order = (await post(String(ordered.json()['finalize']), { csr: csr.toString('base64url') })).json();
  for (const deadline = Date.now() + patienceMs; order['status'] !== 'valid';) {
    if (order['status'] !== 'processing' || Date.now() > deadline)
      throw new Error(`the order of the front's certificate is ${String(order['status'])}`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
    order = (await post(String(ordered.headers['location']))).json();
  }
  return (await post(String(order['certificate']))).body;
}

/** Flattened JSON serialization (RFC 7515 §7.2.2). */
function jws(
  head: object,
  payload: object | undefined,
  signer: (input: string) => Buffer,
): Readonly<Record<'protected' | 'payload' | 'signature', string>> {
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const parts = { protected: encoded(head), payload: payload === undefined ? '' : encoded(payload) };
  return { ...parts, signature: signer(`${parts.protected}.${parts.payload}`).toString('base64url') };
}

function send(agent: https.Agent, url: string, { method, headers = {}, body = '' }: Request): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = https.request(
      url,
      { method, agent, headers: { ...headers, 'content-length': Buffer.byteLength(body) }, timeout: patienceMs },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('error', reject).on('end', () => {
          if ((response.statusCode ?? 500) >= 300)
            reject(new Error(`${url} answers with status ${String(response.statusCode)}: ${text.slice(0, 500)}`));
          else resolve({ headers: response.headers, body: text, json: () => JSON.parse(text) as Record<string, unknown> });
        });
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`${url} does not answer`)));
    sent.on('error', reject).end(body);
  });
}
