import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { acmeClient, bind, startResponder, type Responder } from '../acme/client.ts';
import { startReceiver, type Receiver } from '../notifications/receiver.ts';
import { api, request, startPlatform, until, type Platform } from '../platform.ts';
import { secretsIn } from '../secrets.ts';

let platform: Platform;
let responder: Responder;
let receiver: Receiver;

beforeAll(async () => {
  [responder, receiver] = await Promise.all([startResponder(), startReceiver()]);
  const door = ['--door-http01-port', String(responder.port)];
  platform = await startPlatform({ args: door, env: { CERTCTL_LOG_LEVEL: 'DEBUG' } });
});
afterAll(async () => {
  await platform.stop();
  await Promise.all([responder.stop(), receiver.stop()]);
});

describe('the search finds what it looks for', () => {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const pkcs8 = key.export({ format: 'der', type: 'pkcs8' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'der', type: 'pkcs8' });
  const ed25519 = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' });
  const secret = randomBytes(32);
  const known = { secret: secret.toString('base64url') };
  test.each<[string, string, string]>([
    ['a known secret as it is', secret.toString('base64url'), 'secret'],
    ['its bytes in hex', secret.toString('hex'), 'secret'],
    ['its bytes in base64', secret.toString('base64'), 'secret'],
    ['its text in base64', Buffer.from(known.secret).toString('base64'), 'secret'],
    ['PEM', key.export({ format: 'pem', type: 'pkcs8' }) as string, 'a PEM private key'],
    ['an EC key in base64', pkcs8.toString('base64'), 'a private key in base64'],
    ['an RSA key in base64', rsa.toString('base64'), 'a private key in base64'],
    ['an Ed25519 key in base64', ed25519.toString('base64'), 'a private key in base64'],
    ['an EC key in hex', pkcs8.toString('hex'), 'a private key in hex'],
    ['an RSA key in hex', rsa.toString('hex'), 'a private key in hex'],
    ['an Ed25519 key in hex', ed25519.toString('hex'), 'a private key in hex'],
    ['a JWK', JSON.stringify(key.export({ format: 'jwk' })), 'a private JWK'],
    ['a JWK in a string', JSON.stringify({ message: JSON.stringify(key.export({ format: 'jwk' })) }), 'a private JWK'],
    ['a token of RDS', 'db:5432/?Action=connect&X-Amz-Signature=0123456789abcdef', 'a signed request of AWS'],
    ['a header', '{"authorization":"Bearer certctl_0123456789abcdef"}', 'a bearer token'],
  ])('%s', (_, text, name) => expect(secretsIn(`{"message":"${text}"}`, known)).toContain(name));
  test('and nothing in a line without one', () =>
    expect(secretsIn('{"level":"INFO","message":"request","serial":"0a1b2c3d4e5f","status":200}', known)).toEqual([]));
});

test('given a platform that says all that it can, when everything is done that handles a secret, rightly and wrongly, then none is in what it wrote', async () => {
  const made = async (path: string, body: object): Promise<Record<string, string>> => {
    const answer = await api(platform, 'POST', path, body);
    expect([path, answer.status]).toEqual([path, 201]);
    return answer.json() as Record<string, string>;
  };
  const channel = await made('/api/v1/notification-channels', { name: 'hooks', url: receiver.url });
  const eab = await made('/api/v1/eab-keys', { profile: 'internal', max_uses: 5 });
  const apiKey = await made('/api/v1/auth/keys', { name: 'reader', roles: [{ role: 'r-viewer' }] });
  const rotated = await made(`/api/v1/auth/keys/${apiKey['id'] ?? ''}/rotate`, {});

  const open = await acmeClient(platform, { responder });
  await open.register({ contact: ['mailto:a@example.com'] });
  const proven = await open.issue('logs.localhost');
  const invited = await acmeClient(platform, { profile: 'internal' });
  const binding = bind(invited, eab as { key_id: string; hmac_key: string });
  expect((await invited.register({ externalAccountBinding: binding })).status).toBe(201);
  const bound = await invited.issue('logs.internal.example');
  const revocation = await open.post(String(open.directory['revokeCert']), { certificate: proven.der.toString('base64url'), reason: 1 });
  expect(revocation.status).toBe(200);
  await until('the webhook heard of it', () => (receiver.received.length > 0 ? true : undefined), 60);

  // What a confused client does with secrets: in the wrong place, in a broken body, in a path.
  const send = (path: string, token: string, body?: string) =>
    request(platform, platform.url + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body }),
    });
  const jwk = JSON.stringify(open.key.export({ format: 'jwk' }));
  const answers = [
    await send('/api/v1/profiles', `${platform.token}x`),
    await send('/api/v1/eab-keys', platform.token, `{"profile": "${platform.token}", "hmac_key": "${eab['hmac_key'] ?? ''}"`),
    await send('/api/v1/eab-keys', platform.token, JSON.stringify({ profile: eab['hmac_key'] })),
    await send('/api/v1/profiles', platform.token, JSON.stringify({ id: 'x', [platform.token]: channel['secret'] })),
    await open.post(String(open.directory['newOrder']), undefined, { body: jwk }),
    await open.post(String(open.directory['newOrder']), { identifiers: jwk }),
  ];
  for (const answer of answers) expect(answer.status).toBeGreaterThanOrEqual(400);

  const keys = join(platform.home, 'keys');
  const known: Record<string, string | Uint8Array> = {
    'the admin token': platform.token,
    'an API key': apiKey['token'] ?? '',
    'a rotated API key': rotated['token'] ?? '',
    'an EAB key': eab['hmac_key'] ?? '',
    'a webhook secret': channel['secret'] ?? '',
    ...Object.fromEntries(readdirSync(keys).map((file) => [`keys/${file}`, readFileSync(join(keys, file))])),
  };
  for (const [name, { key }] of Object.entries({ 'an account key': open, 'a certificate key': proven, 'another certificate key': bound }))
    known[name] = Buffer.from(String(key.export({ format: 'jwk' }).d), 'base64url');
  expect(Object.keys(known).length).toBeGreaterThan(8);

  const log = join(platform.home, 'log');
  const written = [platform.output(), ...readdirSync(log).map((file) => readFileSync(join(log, file), 'utf8'))].join('\n');
  // What is known to be logged is there, at every level: the search is of something.
  for (const sure of ['"level":"DEBUG"', '"level":"INFO"', '"service":"api"', '"service":"acme"', '"service":"worker"', 'RateDecision'])
    expect([sure, written.includes(sure)]).toEqual([sure, true]);
  expect(secretsIn(written, known)).toEqual([]);
}, 180_000);
