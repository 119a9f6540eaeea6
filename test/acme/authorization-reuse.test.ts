import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, startPlatform, type Platform } from '../platform.ts';
import { makeCsr } from '../acme-conformance/certification-request.ts';
import { acmeClient, freshName, startResponder, type AcmeClient, type Responder } from './client.ts';

let platform: Platform;
let responder: Responder;
let client: AcmeClient;
beforeAll(async () => {
  responder = await startResponder();
  platform = await startPlatform({ args: ['--door-http01-port', String(responder.port)] });
  const made = await api(platform, 'POST', '/api/v1/profiles', { id: 'reusing', name: 'Reusing', authorization_reuse_seconds: 3600 });
  expect(made.status).toBe(201);
  client = await acmeClient(platform, { responder, profile: 'reusing' });
  await client.register();
});
afterAll(async () => {
  await platform.stop();
  await responder.stop();
});

test('a name that was proven serves the next order of its account, which is ready at once', async () => {
  const name = freshName();
  await client.issue(name);
  const { url, body } = await client.order(name);
  expect(body['status']).toBe('ready');
  const authorization = (await client.post((body['authorizations'] as string[])[0]!)).json();
  expect(authorization).toMatchObject({ status: 'valid', challenges: [{ type: 'http-01', status: 'valid' }] });
  const finalized = await client.post(String(body['finalize']), { csr: makeCsr([name]).csr.toString('base64url') });
  expect(finalized.json()['status']).toBe('valid');
  expect((await client.post(url)).json()['status']).toBe('valid');
});

test('a new name beside a proven one, a wildcard of it, another account and another profile prove for themselves', async () => {
  const name = freshName();
  await client.issue(name);
  const mixed = await client.post(String(client.directory['newOrder']), {
    identifiers: [name, freshName()].map((value) => ({ type: 'dns', value })),
  });
  const statuses = [];
  for (const url of mixed.json()['authorizations'] as string[]) statuses.push((await client.post(url)).json()['status']);
  expect([mixed.json()['status'], statuses]).toEqual(['pending', ['valid', 'pending']]);
  expect((await client.order(`*.${name}`)).body['status']).toBe('pending');
  const other = await acmeClient(platform, { profile: 'reusing' });
  await other.register();
  expect((await other.order(name)).body['status']).toBe('pending');
  const elsewhere = await acmeClient(platform, { responder });
  await elsewhere.register();
  await elsewhere.issue(name);
  expect((await elsewhere.order(name)).body['status']).toBe('pending');
});

test('a proof that was given up, or is older than the profile allows, serves nobody', async () => {
  const name = freshName();
  await client.issue(name);
  const [first, second] = [await client.order(name), await client.order(name)];
  expect([first.body['status'], second.body['status']]).toEqual(['ready', 'ready']);
  const [authorization] = first.body['authorizations'] as string[];
  expect((await client.post(authorization!, { status: 'deactivated' })).json()['status']).toBe('deactivated');
  for (const { url } of [first, second]) expect((await client.post(url)).json()['status']).toBe('invalid');
  expect((await client.order(name)).body['status']).toBe('pending');

  const old = freshName();
  await client.issue(old);
  const database = await platform.database();
  try {
    await database.query(
      `UPDATE acme_challenges SET validated_at = now() - interval '2 hours' WHERE authorization_id IN
         (SELECT id FROM acme_authorizations WHERE identifier_value = $1)`,
      [old],
    );
  } finally {
    await database.end();
  }
  expect((await client.order(old)).body['status']).toBe('pending');
});
