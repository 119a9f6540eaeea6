import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { signRequest } from '#domain/agent/message-signature.ts';
import { api, request, type Answer, type Platform } from '../platform.ts';

/** An agent as the platform sees one: a key, and requests that it signed. */
export interface SignedAgent {
  readonly id: string;
  readonly name: string;
  readonly privateKey: KeyObject;
  /** Path below `/api/v1/agents/<id>/`. */
  send(method: string, path: string, body?: object, options?: { readonly createdAt?: number; readonly as?: string }): Promise<Answer>;
}

export const hostFacts = (): Record<string, unknown> => ({
  hostname: 'host.example.com',
  os: 'linux',
  architecture: 'x64',
  version: '1.2.3',
  capabilities: ['nginx', 'inspection', 'quorum'],
  clock: new Date().toISOString(),
});

export async function makeToken(platform: Platform, more: object = {}): Promise<{ id: string; token: string }> {
  const answer = await api(platform, 'POST', '/api/v1/agent-enrolment-tokens', more);
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.json() as { id: string; token: string };
}

/** Asks for enrolment; the key that signs may be another than the one that is to be enrolled. */
export function enrol(
  platform: Platform,
  name: string,
  token: string | undefined,
  keys = generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  signer: KeyObject = keys.privateKey,
): Promise<Answer> {
  const path = '/api/v1/agents/enrol';
  const public_key = keys.publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
  const body = JSON.stringify({ name, public_key, ...hostFacts() });
  const signed = { method: 'POST', path, query: '', body: Buffer.from(body) };
  return request(platform, platform.url + path, {
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json',
      ...(token !== undefined && { 'x-enrolment-token': token }),
      ...signRequest(signed, signer, 'enrol', Math.floor(Date.now() / 1000)),
    },
  });
}

export async function enrolledAgent(platform: Platform, name: string): Promise<SignedAgent> {
  const { token } = await makeToken(platform);
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const answer = await enrol(platform, name, token, keys);
  if (answer.status !== 201) throw new Error(answer.text);
  return signedAgent(platform, answer.json()['agent_id'] as string, name, keys.privateKey);
}

export function signedAgent(platform: Platform, id: string, name: string, privateKey: KeyObject): SignedAgent {
  return {
    id,
    name,
    privateKey,
    send(method, below, body, options = {}) {
      const path = `/api/v1/agents/${options.as ?? id}/${below}`;
      const text = body === undefined ? '' : JSON.stringify(body);
      const signed = { method, path, query: '', body: Buffer.from(text) };
      return request(platform, platform.url + path, {
        method,
        ...(body !== undefined && { body: text }),
        headers: {
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...signRequest(signed, privateKey, id, options.createdAt ?? Math.floor(Date.now() / 1000)),
        },
      });
    },
  };
}
