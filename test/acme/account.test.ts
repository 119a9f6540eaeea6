import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, startPlatform, type Platform } from '../platform.ts';
import { acmeClient, bind, type AcmeClient } from './client.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const typeOf = (answer: { json(): Record<string, unknown> }): string =>
  String(answer.json()['type']).replace('urn:ietf:params:acme:error:', '');

async function eabKey(options: object = {}): Promise<{ key_id: string; hmac_key: string }> {
  const answer = await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal', ...options });
  expect(answer.status).toBe(201);
  return answer.json() as { key_id: string; hmac_key: string };
}

test('a new key registers with 201, and again with 200 at the same URL with its contacts unchanged (RFC 8555 §7.3)', async () => {
  const client = await acmeClient(platform);
  const created = await client.post(String(client.directory['newAccount']), { contact: ['mailto:a@example.com'] });
  expect(created.status).toBe(201);
  expect(created.json()).toMatchObject({ status: 'valid', contact: ['mailto:a@example.com'] });
  expect(created.headers['link']).toContain('rel="index"');
  const again = await client.post(String(client.directory['newAccount']), { contact: ['mailto:b@example.com'] });
  expect([again.status, again.headers['location']]).toEqual([200, created.headers['location']]);
  expect(again.json()['contact']).toEqual(['mailto:a@example.com']);
});

test('ten simultaneous registrations of one key make one account', async () => {
  const client = await acmeClient(platform);
  const answers = await Promise.all(Array.from({ length: 10 }, () => client.post(String(client.directory['newAccount']), {})));
  expect(new Set(answers.map((answer) => answer.headers['location'])).size).toBe(1);
  expect(answers.filter((answer) => answer.status === 201)).toHaveLength(1);
  expect(answers.filter((answer) => answer.status === 200)).toHaveLength(9);
});

test('onlyReturnExisting without an account is accountDoesNotExist', async () => {
  const client = await acmeClient(platform);
  const answer = await client.post(String(client.directory['newAccount']), { onlyReturnExisting: true });
  expect([answer.status, typeOf(answer)]).toEqual([400, 'accountDoesNotExist']);
});

test.each([
  ['tel:+1', 'unsupportedContact'],
  ['mailto:a@example.com?subject=x', 'invalidContact'],
  ['mailto:a@example.com,b@example.com', 'invalidContact'],
  ['mailto:nobody', 'invalidContact'],
  ['nothing', 'unsupportedContact'],
])('the contact %s is %s', async (contact, type) => {
  const client = await acmeClient(platform);
  const answer = await client.post(String(client.directory['newAccount']), { contact: [contact] });
  expect([answer.status, typeOf(answer)]).toEqual([400, type]);
});

test('an account reads, changes and clears its contacts, and nothing else (RFC 8555 §7.3.2)', async () => {
  const client = await acmeClient(platform);
  await client.register({ contact: ['mailto:a@example.com'] });
  expect((await client.post(client.kid, { contact: ['mailto:c@example.com'] })).json()['contact']).toEqual(['mailto:c@example.com']);
  expect((await client.post(client.kid)).json()['contact']).toEqual(['mailto:c@example.com']);
  expect((await client.post(client.kid, { orders: 'x' })).json()['contact']).toEqual(['mailto:c@example.com']);
  expect((await client.post(client.kid, { contact: [] })).json()['contact']).toBeUndefined();
  expect(typeOf(await client.post(client.kid, { status: 'revoked' }))).toBe('malformed');
});

test('a deactivated account is 401 for everything, and its key cannot register again (RFC 8555 §7.3.6)', async () => {
  const client = await acmeClient(platform);
  await client.register();
  const { url } = await client.order('a.localhost');
  expect((await client.post(client.kid, { status: 'deactivated' })).json()['status']).toBe('deactivated');
  for (const target of [client.kid, url, String(client.directory['newOrder'])]) {
    const answer = await client.post(target, target === url ? undefined : {});
    expect([answer.status, typeOf(answer)]).toEqual([401, 'unauthorized']);
  }
  client.kid = '';
  const again = await client.post(String(client.directory['newAccount']), {});
  expect([again.status, typeOf(again)]).toEqual([403, 'unauthorized']);
});

test('an account of one profile is nobody under another, and no account reads another', async () => {
  const client = await acmeClient(platform);
  await client.register();
  const foreign = client.kid.replace('/profile/default/', '/profile/internal/');
  const crossed = await client.post(foreign, undefined, { header: { kid: foreign } });
  expect([crossed.status, typeOf(crossed)]).toEqual([400, 'accountDoesNotExist']);
  const other = await acmeClient(platform);
  await other.register();
  expect((await other.post(client.kid)).status).toBe(403);
});

test('terms that are set must be agreed to, and the answer links them', async () => {
  const terms = 'https://example.com/terms';
  const made = await api(platform, 'POST', '/api/v1/profiles', { id: 'with-terms', name: 'With terms', terms_of_service: terms });
  expect(made.status).toBe(201);
  const client = await acmeClient(platform, { profile: 'with-terms' });
  expect(client.directory['meta']).toEqual({ termsOfService: terms, profiles: { 'with-terms': 'With terms' } });
  const refused = await client.post(String(client.directory['newAccount']), {});
  expect([refused.status, typeOf(refused), refused.json()['instance']]).toEqual([403, 'userActionRequired', terms]);
  expect(refused.headers['link']).toContain(`<${terms}>;rel="terms-of-service"`);
  expect((await client.register()).status).toBe(201);
});

test('where a binding is required its absence is externalAccountRequired, and every fault of one is the same unauthorized (RFC 8555 §7.3.4)', async () => {
  const key = await eabKey({ max_uses: 100 });
  const other = await eabKey();
  const client = await acmeClient(platform, { profile: 'internal' });
  const url = String(client.directory['newAccount']);
  for (const payload of [{}, { externalAccountBinding: null }]) {
    const absent = await client.post(url, payload);
    expect([absent.status, typeOf(absent)]).toEqual([403, 'externalAccountRequired']);
  }
  const stranger = await acmeClient(platform, { profile: 'internal' });
  const faults = [
    bind(client, { ...key, hmac_key: other.hmac_key }),
    bind(client, { ...key, key_id: 'eab-unknown' }),
    bind(client, key, { url: 'https://elsewhere.example/' }),
    bind(client, key, { alg: 'none' }),
    bind(client, key, { nonce: 'x' }),
    bind(stranger, key),
    { protected: 'x' },
    'text',
  ];
  const answers = [];
  for (const externalAccountBinding of faults) answers.push(await client.post(url, { externalAccountBinding }));
  expect(new Set(answers.map((answer) => answer.text)).size).toBe(1);
  expect([answers[0]?.status, typeOf(answers[0]!)]).toEqual([403, 'unauthorized']);
  const bound = await client.post(url, { externalAccountBinding: bind(client, key) });
  expect(bound.status).toBe(201);
  expect(bound.json()['externalAccountBinding']).toBeDefined();
});

test('given a key with two uses, of six simultaneous accounts two are made', async () => {
  const key = await eabKey({ max_uses: 2 });
  const clients = await Promise.all(Array.from({ length: 6 }, () => acmeClient(platform, { profile: 'internal' })));
  const answers = await Promise.all(clients.map((client) => client.register({ externalAccountBinding: bind(client, key) })));
  expect(answers.map((answer) => answer.status).sort()).toEqual([201, 201, 403, 403, 403, 403]);
});

test('a key that has expired or is disabled invites nobody, and its record says what became of it', async () => {
  const expired = await eabKey({ expires_at: new Date(Date.now() - 1000).toISOString() });
  const disabled = await eabKey();
  const used = await eabKey({ description: 'web team' });
  await api(platform, 'POST', `/api/v1/eab-keys/${disabled.key_id}/disable`);
  const register = async (key: { key_id: string; hmac_key: string }): Promise<number> => {
    const client = await acmeClient(platform, { profile: 'internal' });
    return (await client.register({ externalAccountBinding: bind(client, key) })).status;
  };
  expect([await register(expired), await register(disabled), await register(used), await register(used)]).toEqual([403, 403, 201, 403]);
  const record = await api(platform, 'GET', `/api/v1/eab-keys/${used.key_id}`);
  expect(record.json()).toMatchObject({ description: 'web team', uses: 1, max_uses: 1, disabled_at: null });
  expect(record.text).not.toContain(used.hmac_key);
  expect((await api(platform, 'GET', `/api/v1/eab-keys/${disabled.key_id}`)).json()['disabled_at']).not.toBeNull();
  expect((await api(platform, 'GET', '/api/v1/eab-keys/eab-nobody')).status).toBe(404);
  const wrong = await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal', allowed_names: ['not a name'] });
  expect(wrong.status).toBe(400);
});

test('a binding of one profile is none under another, and one that is offered where none is needed must be right, too', async () => {
  const key = await eabKey();
  const client = await acmeClient(platform);
  const answer = await client.register({ externalAccountBinding: bind(client, key) });
  expect([answer.status, typeOf(answer)]).toEqual([403, 'unauthorized']);
});

test('a disabled key blocks its accounts until it is enabled again', async () => {
  const key = await eabKey();
  const client = await acmeClient(platform, { profile: 'internal' });
  await client.register({ externalAccountBinding: bind(client, key) });
  const order = (): ReturnType<AcmeClient['post']> =>
    client.post(String(client.directory['newOrder']), { identifiers: [{ type: 'dns', value: 'x.example.com' }] });
  expect((await order()).status).toBe(201);
  expect((await api(platform, 'POST', `/api/v1/eab-keys/${key.key_id}/disable`)).status).toBe(200);
  const refused = await order();
  expect([refused.status, typeOf(refused)]).toEqual([401, 'unauthorized']);
  await api(platform, 'POST', `/api/v1/eab-keys/${key.key_id}/enable`);
  expect((await order()).status).toBe(201);
});

test("the names that a key allows bind its accounts' orders", async () => {
  const key = await eabKey({ allowed_names: ['.corp.example'] });
  const client = await acmeClient(platform, { profile: 'internal' });
  await client.register({ externalAccountBinding: bind(client, key) });
  const order = (value: string): ReturnType<AcmeClient['post']> =>
    client.post(String(client.directory['newOrder']), { identifiers: [{ type: 'dns', value }] });
  expect((await order('a.corp.example')).status).toBe(201);
  expect(typeOf(await order('a.example.com'))).toBe('rejectedIdentifier');
});
