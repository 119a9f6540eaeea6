import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, request, startPlatform, type Answer, type Platform } from '../platform.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

test('without a valid token every route but health and readiness is 401 with a challenge', async () => {
  for (const authorization of ['', 'Bearer wrong-token-wrong-token', `Basic ${platform.token}`, `Bearer ${platform.token}x`]) {
    const answer = await request(platform, `${platform.url}/api/v1/profiles`, { headers: authorization === '' ? {} : { authorization } });
    expect([authorization.slice(0, 6), answer.status, answer.headers['www-authenticate']]).toEqual([
      authorization.slice(0, 6),
      401,
      'Bearer realm="certctl"',
    ]);
    expect(answer.json()['type']).toBe('urn:certctl:error:unauthenticated');
  }
  expect((await request(platform, `${platform.url}/health`)).json()).toEqual({ status: 'ok' });
  expect((await request(platform, `${platform.url}/ready`)).json()['status']).toBe('ready');
});

test('the profiles of a new platform are a challenging default and a trusting internal one that wants an invitation', async () => {
  const items = (await api(platform, 'GET', '/api/v1/profiles')).json()['items'] as {
    id: string;
    acme_auth_mode: string;
    eab_required: boolean;
  }[];
  const modes = new Map(items.map(({ id, acme_auth_mode, eab_required }) => [id, [acme_auth_mode, eab_required]]));
  expect([modes.get('default'), modes.get('internal')]).toEqual([
    ['challenge', false],
    ['trust_authenticated', true],
  ]);
});

test.each([
  ['neither invitation nor names', { acme_auth_mode: 'trust_authenticated', acknowledge_trust: true }, 422],
  ['no acknowledgement', { acme_auth_mode: 'trust_authenticated', eab_required: true }, 422],
  ['an unknown field', { colour: 'green' }, 400],
  ['a bad id', { id: 'Not An Id' }, 400],
  ['an unknown CA', { ca_id: 'nobody' }, 400],
  ['a range that is none', { allowed_cidrs: ['10.0.0.0/99'] }, 400],
  ['a range with bits beyond its prefix', { allowed_cidrs: ['10.1.2.3/8'] }, 400],
  ['an IPv6 range with bits beyond its prefix', { allowed_cidrs: ['fd00::1/64'] }, 400],
  ['a validity of a century', { validity_seconds: 3_153_600_000 }, 400],
])('a profile with %s is refused with a reason', async (_, fields, status) => {
  const answer = await api(platform, 'POST', '/api/v1/profiles', { id: 'refused', name: 'Refused', ...fields });
  expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/problem+json']);
  expect(String(answer.json()['detail']).length).toBeGreaterThan(10);
  expect((await api(platform, 'GET', '/api/v1/profiles/refused')).status).toBe(404);
});

test('a profile is replaced only by who read its newest version, and each change leaves an audit row', async () => {
  const made = (await api(platform, 'POST', '/api/v1/profiles', { id: 'team', name: 'Team' })).json();
  expect(made).toMatchObject({ version: 1, acme_directory: `${platform.url}/acme/profile/team/directory` });
  const changes = await Promise.all(
    ['One', 'Two', 'Three'].map((name) => api(platform, 'PUT', '/api/v1/profiles/team', { name }, { 'if-match': '"v1"' })),
  );
  expect(changes.map((answer) => answer.status).sort()).toEqual([200, 412, 412]);
  expect((await api(platform, 'POST', '/api/v1/profiles', { id: 'team', name: 'Again' })).status).toBe(409);
  const put = (tag?: string): Promise<Answer> =>
    api(platform, 'PUT', '/api/v1/profiles/team', { name: 'Later' }, tag === undefined ? {} : { 'if-match': tag });
  expect((await put()).status).toBe(428);
  for (const tag of ['"v9007199254740990"', 'v2', 'W/"v2"', '"v1", "v2"']) expect([tag, (await put(tag)).status]).toEqual([tag, 400]);
  // No row counts so far.
  expect((await put('"v4520883398"')).status).toBe(412);
  const team = String((await api(platform, 'POST', '/api/v1/teams', { name: 'counted' })).json()['id']);
  const remove = (tag: string): Promise<Answer> => api(platform, 'DELETE', `/api/v1/teams/${team}`, undefined, { 'if-match': tag });
  expect((await remove('"v4520883398"')).status).toBe(412);
  expect((await remove('"v1"')).status).toBe(200);
  expect((await api(platform, 'GET', '/api/v1/profiles/team')).headers['etag']).toBe('"v2"');
  const database = await platform.database();
  try {
    const { rows } = await database.query(
      `SELECT actor, action FROM audit_events WHERE resource_type = 'profile' AND resource_id = 'team' ORDER BY id`,
    );
    expect(rows).toEqual([
      { actor: 'ak-bootstrap', action: 'createProfile' },
      { actor: 'ak-bootstrap', action: 'replaceProfile' },
    ]);
  } finally {
    await database.end();
  }
});

test('the audit trail cannot be changed, not even by the owner of the schema', async () => {
  const database = await platform.database();
  try {
    for (const statement of [
      'DELETE FROM audit_events',
      `UPDATE audit_events SET actor = 'x'`,
      'TRUNCATE audit_events',
      'DELETE FROM audit_seals',
      'TRUNCATE audit_seals',
    ]) {
      await expect(database.query(statement)).rejects.toThrow('append-only');
    }
  } finally {
    await database.end();
  }
});

test('an HMAC key is shown once, never stored plain, and never begins with a hyphen', async () => {
  const keys: { key_id: string; hmac_key: string }[] = [];
  for (let i = 0; i < 20; i++)
    keys.push((await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal', description: 'x' })).json() as (typeof keys)[number]);
  for (const { hmac_key } of keys) expect(hmac_key).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_-]{42}$/);
  const listed = await api(platform, 'GET', '/api/v1/eab-keys?profile=internal');
  for (const { hmac_key, key_id } of keys) {
    expect(listed.text).toContain(key_id);
    expect(listed.text).not.toContain(hmac_key);
  }
  const database = await platform.database();
  try {
    const { rows } = await database.query<{ sealed_hmac: Buffer }>('SELECT sealed_hmac FROM eab_keys WHERE id = $1', [keys[0]!.key_id]);
    expect(rows[0]!.sealed_hmac.includes(Buffer.from(keys[0]!.hmac_key, 'base64url'))).toBe(false);
  } finally {
    await database.end();
  }
  expect((await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'nobody' })).status).toBe(400);
  expect((await api(platform, 'POST', '/api/v1/eab-keys/eab-nobody/disable')).status).toBe(404);
});

test('a body that is no JSON, has a member twice, is too large or of another type is refused by name', async () => {
  const send = (body: string, type = 'application/json') =>
    request(platform, `${platform.url}/api/v1/profiles`, {
      method: 'POST',
      body,
      headers: { authorization: `Bearer ${platform.token}`, 'content-type': type },
    });
  expect((await send('{')).status).toBe(400);
  expect((await send('{"id":"a","id":"b","name":"x"}')).status).toBe(400);
  expect((await send(String.raw`{"id":"nul","name":"a\u0000b"}`)).status).toBe(400);
  expect((await send('{}', 'text/plain')).status).toBe(415);
  expect((await send(JSON.stringify({ id: 'a', name: 'x'.repeat(1_100_000) }))).status).toBe(413);
  const method = await api(platform, 'DELETE', '/api/v1/profiles');
  expect([method.status, method.headers['allow']]).toEqual([405, 'GET, HEAD, POST']);
});

test.each([
  ['PUT', '/api/v1/certificates/bulk-revoke', 'POST'],
  ['GET', '/api/v1/agents/enrol', 'POST'],
  ['OPTIONS', '/api/v1/agents/enrol', 'POST'],
  ['POST', '/health', 'GET, HEAD'],
  ['DELETE', '/ready', 'GET, HEAD'],
])('%s %s is a method that the path does not have, and no id that is wrong', async (method, path, allow) => {
  const answer = await request(platform, `${platform.url}${path}`, { method, headers: { authorization: `Bearer ${platform.token}` } });
  expect([answer.status, answer.headers['allow']]).toEqual([405, allow]);
});

test.each(['/health', '/ready', '/api/v1/profiles'])('HEAD %s is what GET is, without the body', async (path) => {
  const answer = await request(platform, `${platform.url}${path}`, {
    method: 'HEAD',
    headers: { authorization: `Bearer ${platform.token}` },
  });
  expect([answer.status, answer.headers['content-type'], answer.text]).toEqual([200, 'application/json', '']);
});

test('the admin token is given once: whoever asks the migration function again gets none', async () => {
  const answer = await fetch(`${platform.instance.endpoint}/2015-03-31/functions/${await migrateName()}/invocations`, {
    method: 'POST',
    body: JSON.stringify({ action: 'admin-token' }),
  });
  expect(await answer.json()).toEqual({ token: null });
});

async function migrateName(): Promise<string> {
  const { readFileSync } = await import('node:fs');
  const record = JSON.parse(readFileSync(`${platform.home}/home.json`, 'utf8')) as { applied: { Schema: { ServiceToken: string } } };
  return record.applied.Schema.ServiceToken.split(':').at(-1) ?? '';
}
