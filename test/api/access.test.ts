import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeCsr } from '../lifecycle/csr.ts';
import { api, request, startPlatform, type Platform } from '../platform.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

interface Key {
  readonly id: string;
  readonly token: string;
  readonly token_prefix: string;
}
type Roles = readonly { role: string; scope_type?: string; scope_id?: string; expires_at?: string }[];

let made = 0;
async function makeKey(roles: Roles, more: object = {}, as = platform.token): Promise<Key> {
  const answer = await call('POST', '/api/v1/auth/keys', { name: `key-${made++}`, roles, ...more }, as);
  expect([answer.status, answer.text]).toEqual([201, expect.anything()]);
  return answer.json() as unknown as Key;
}

const call = (method: string, path: string, body: unknown, token: string) =>
  request(platform, `${platform.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

const status = async (method: string, path: string, token: string, body?: unknown): Promise<number> =>
  (await call(method, path, body, token)).status;

test('the secret of a key is shown once, works at once, and is kept as a hash only', async () => {
  const key = await makeKey([{ role: 'r-viewer' }]);
  expect(key.token).toMatch(/^ck_[0-9a-f]{8}_[A-Za-z0-9_-]{43}$/);
  expect(key.token.startsWith(key.token_prefix)).toBe(true);
  expect(await status('GET', '/api/v1/certificates', key.token)).toBe(200);
  expect((await api(platform, 'GET', '/api/v1/auth/keys')).text).not.toContain(key.token);
  expect((await api(platform, 'GET', `/api/v1/auth/keys/${key.id}`)).json()).toHaveProperty('last_used_at', expect.any(String));
  const database = await platform.database();
  try {
    const { rows } = await database.query<{ row: string }>('SELECT k::text AS row FROM api_keys k WHERE id = $1', [key.id]);
    expect(rows[0]!.row).not.toContain(key.token.slice(12));
  } finally {
    await database.end();
  }
});

test('who am I says what a key may do, and where', async () => {
  const key = await makeKey([{ role: 'r-auditor' }, { role: 'r-viewer', scope_type: 'profile', scope_id: 'default' }]);
  const { permissions, roles } = (await call('GET', '/api/v1/auth/me', undefined, key.token)).json() as {
    permissions: { permission: string; global: boolean; profiles: string[] }[];
    roles: unknown[];
  };
  expect(roles).toHaveLength(2);
  expect(permissions.find(({ permission }) => permission === 'audit.export')).toMatchObject({ global: true });
  expect(permissions.find(({ permission }) => permission === 'cert.read')).toMatchObject({ global: false, profiles: ['default'] });
  expect(permissions.some(({ permission }) => permission === 'cert.issue')).toBe(false);
});

test('a rotated key takes the old secret for the overlap, and not a second longer', async () => {
  const key = await makeKey([{ role: 'r-viewer' }]);
  const second = (await api(platform, 'POST', `/api/v1/auth/keys/${key.id}/rotate`, { overlap_seconds: 3600 })).json() as unknown as Key;
  for (const token of [key.token, second.token]) expect(await status('GET', '/api/v1/jobs', token)).toBe(200);
  const database = await platform.database();
  try {
    await database.query(`UPDATE api_keys SET previous_expires_at = now() WHERE id = $1`, [key.id]);
  } finally {
    await database.end();
  }
  expect(await status('GET', '/api/v1/jobs', key.token)).toBe(401);
  const third = (await api(platform, 'POST', `/api/v1/auth/keys/${key.id}/rotate`, { overlap_seconds: 0 })).json() as unknown as Key;
  expect([await status('GET', '/api/v1/jobs', second.token), await status('GET', '/api/v1/jobs', third.token)]).toEqual([401, 200]);
});

test('a key that expired, or was ended, is refused like one that never was', async () => {
  const [expired, ended] = [await makeKey([{ role: 'r-viewer' }]), await makeKey([{ role: 'r-viewer' }])];
  const database = await platform.database();
  try {
    await database.query(`UPDATE api_keys SET expires_at = now() WHERE id = $1`, [expired.id]);
  } finally {
    await database.end();
  }
  expect((await api(platform, 'DELETE', `/api/v1/auth/keys/${ended.id}`)).json()).toHaveProperty('ended_at', expect.any(String));
  const answers = await Promise.all(
    [expired.token, ended.token, `ck_00000000_${'A'.repeat(43)}`].map((token) => call('GET', '/api/v1/jobs', undefined, token)),
  );
  const bodies = answers.map((answer) => ({ ...answer.json(), instance: '' }));
  expect(answers.map((answer) => answer.status)).toEqual([401, 401, 401]);
  expect(bodies[1]).toEqual(bodies[0]);
  expect(bodies[2]).toEqual(bodies[0]);
  expect(await status('POST', `/api/v1/auth/keys/${ended.id}/rotate`, platform.token, {})).toBe(409);
});

test('a grant that expired grants nothing', async () => {
  const key = await makeKey([{ role: 'r-viewer', expires_at: '2020-01-01T00:00:00Z' }]);
  expect(await status('GET', '/api/v1/jobs', key.token)).toBe(403);
});

test('nobody gives, takes or rotates what reaches further than themselves, and nobody changes their own roles', async () => {
  const clerk = await makeKey([{ role: 'r-cli' }]);
  const admin = await makeKey([{ role: 'r-admin' }]);
  const roles = (role: string, scope = {}) => ({ name: `by-clerk-${made++}`, roles: [{ role, ...scope }] });
  expect(await status('POST', '/api/v1/auth/keys', clerk.token, roles('r-admin'))).toBe(403);
  expect(await status('POST', '/api/v1/auth/keys', clerk.token, roles('r-auditor'))).toBe(403);
  expect(await status('POST', '/api/v1/auth/keys', clerk.token, roles('r-viewer'))).toBe(201);
  expect(await status('POST', '/api/v1/auth/keys', clerk.token, roles('r-viewer', { scope_type: 'profile', scope_id: 'default' }))).toBe(
    201,
  );
  expect(await status('POST', `/api/v1/auth/keys/${admin.id}/rotate`, clerk.token, {})).toBe(403);
  expect(await status('POST', `/api/v1/auth/keys/${clerk.id}/rotate`, clerk.token, {})).toBe(201);
  expect(await status('POST', `/api/v1/auth/keys/${admin.id}/roles`, admin.token, { role: 'r-viewer' })).toBe(403);
  expect(await status('DELETE', `/api/v1/auth/keys/${admin.id}/roles/r-admin`, admin.token)).toBe(403);
  // A part of the platform cannot be turned into the whole of it.
  const partial = await makeKey([{ role: 'r-admin', scope_type: 'profile', scope_id: 'default' }]);
  expect(await status('POST', '/api/v1/auth/keys', partial.token, roles('r-viewer'))).toBe(403);
  // Another test counts the admins that are left.
  expect(await status('DELETE', `/api/v1/auth/keys/${admin.id}`, platform.token)).toBe(200);
});

test('granting is idempotent, scopes exist or are refused, and revoking takes one scope or all', async () => {
  const key = await makeKey([{ role: 'r-viewer' }]);
  const path = `/api/v1/auth/keys/${key.id}/roles`;
  const scoped = { role: 'r-operator', scope_type: 'profile', scope_id: 'default' };
  for (const body of [scoped, scoped, { ...scoped, scope_id: 'internal' }])
    expect((await api(platform, 'POST', path, body)).status).toBe(200);
  expect(((await api(platform, 'GET', `/api/v1/auth/keys/${key.id}`)).json() as { roles: unknown[] }).roles).toHaveLength(3);
  expect((await api(platform, 'POST', path, { ...scoped, scope_id: 'nowhere' })).status).toBe(400);
  expect((await api(platform, 'POST', path, { role: 'r-operator', scope_id: 'default' })).status).toBe(400);
  expect((await api(platform, 'POST', path, { role: 'r-root' })).status).toBe(400);
  expect((await api(platform, 'DELETE', `${path}/r-operator?scope_type=profile&scope_id=default`)).json()).toMatchObject({ id: key.id });
  expect((await api(platform, 'DELETE', `${path}/r-operator?scope_type=profile&scope_id=default`)).status).toBe(404);
  const left = (await api(platform, 'DELETE', `${path}/r-operator`)).json() as { roles: { role: string }[] };
  expect(left.roles.map(({ role }) => role)).toEqual(['r-viewer']);
});

test('the last admin stays, also when two end each other at once', async () => {
  const first = await makeKey([{ role: 'r-admin' }]);
  const second = await makeKey([{ role: 'r-admin' }]);
  expect((await call('DELETE', '/api/v1/auth/keys/ak-bootstrap', undefined, first.token)).status).toBe(200);
  try {
    const answers = await Promise.all([
      call('DELETE', `/api/v1/auth/keys/${second.id}`, undefined, first.token),
      call('DELETE', `/api/v1/auth/keys/${first.id}`, undefined, second.token),
    ]);
    // The loser was either refused as the last admin, or no longer known.
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1);
    const database = await platform.database();
    try {
      const { rows } = await database.query(
        `SELECT FROM api_keys k JOIN api_key_grants g ON g.key_id = k.id WHERE g.role = 'r-admin' AND g.scope_type = 'global' AND ended_at IS NULL AND k.id = ANY($1)`,
        [[first.id, second.id]],
      );
      expect(rows).toHaveLength(1);
    } finally {
      await database.end();
    }
  } finally {
    const database = await platform.database();
    await database.query(`UPDATE api_keys SET ended_at = NULL WHERE id = 'ak-bootstrap'`);
    await database.end();
  }
});

test('a key of one profile sees and renews its certificates, and finds the others nowhere', async () => {
  await api(platform, 'POST', '/api/v1/profiles', { id: 'scoped', name: 'Scoped' });
  const create = async (profile: string, token: string) =>
    call('POST', '/api/v1/certificates', { name: `of-${profile}-${made++}`, profile, csr: makeCsr([`${profile}.example.com`]).csr }, token);
  const other = (await create('default', platform.token)).json() as { certificate: { id: string } };
  const key = await makeKey([{ role: 'r-operator', scope_type: 'profile', scope_id: 'scoped' }]);
  expect((await create('default', key.token)).status).toBe(403);
  const own = (await create('scoped', key.token)).json() as { certificate: { id: string } };
  const listed = (await call('GET', '/api/v1/certificates', undefined, key.token)).json() as { items: { id: string }[] };
  expect(listed.items.map(({ id }) => id)).toEqual([own.certificate.id]);
  const path = (id: string): string => `/api/v1/certificates/${id}`;
  for (const [method, rest] of [
    ['GET', ''],
    ['GET', '/versions'],
    ['POST', '/renew'],
    ['DELETE', ''],
  ] as const)
    expect([method, rest, await status(method, path(other.certificate.id) + rest, key.token)]).toEqual([method, rest, 404]);
  expect(await status('GET', path(own.certificate.id), key.token)).toBe(200);
  // What belongs to no profile is not for a part of the platform.
  expect(await status('GET', '/api/v1/admin/loops', key.token)).toBe(403);
  const profiles = (await call('GET', '/api/v1/profiles', undefined, key.token)).json() as { items: { id: string }[] };
  expect(profiles.items.map(({ id }) => id)).toEqual(['scoped']);
});
