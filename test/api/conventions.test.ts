import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openApi } from '#contract/openapi.ts';
import { routes } from '#contract/routes.ts';
import { isConditional } from '#contract/route.ts';
import { api, request, startPlatform, type Answer, type Platform } from '../platform.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
  for (let i = 0; i < 7; i++)
    await api(platform, 'POST', '/api/v1/eab-keys', { profile: i % 2 === 0 ? 'internal' : 'default', description: `number ${i}` });
});
afterAll(() => platform.stop());

const get = (path: string, headers: Record<string, string> = {}): Promise<Answer> => api(platform, 'GET', path, undefined, headers);
const items = (answer: Answer): Record<string, unknown>[] => answer.json()['items'] as Record<string, unknown>[];

describe('lists', () => {
  test('page by page every row comes once, in either order, also while rows are added', async () => {
    for (const sort of ['created_at', '-created_at']) {
      const seen: string[] = [];
      let cursor: unknown;
      do {
        const answer = await get(`/api/v1/eab-keys?limit=2&sort=${sort}${typeof cursor === 'string' ? `&cursor=${cursor}` : ''}`);
        expect(answer.status).toBe(200);
        seen.push(...items(answer).map((item) => String(item['created_at'])));
        cursor = answer.json()['next_cursor'];
        if (seen.length === 2) await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal', description: 'meanwhile' });
      } while (cursor !== null);
      expect(seen).toEqual(seen.toSorted((a, b) => (sort === 'created_at' ? a.localeCompare(b) : b.localeCompare(a))));
      expect(seen.length).toBeGreaterThanOrEqual(7);
    }
  });

  test('a cursor of other filters, another order or another list is refused, and so is any other text', async () => {
    const cursor = String((await get('/api/v1/eab-keys?limit=2&profile=internal')).json()['next_cursor']);
    expect((await get(`/api/v1/eab-keys?limit=5&profile=internal&fields=key_id&cursor=${cursor}`)).status).toBe(200);
    for (const path of [
      `/api/v1/eab-keys?cursor=${cursor}`,
      `/api/v1/eab-keys?profile=default&cursor=${cursor}`,
      `/api/v1/eab-keys?profile=internal&sort=created_at&cursor=${cursor}`,
      `/api/v1/auth/keys?cursor=${cursor}`,
      `/api/v1/eab-keys?profile=internal&cursor=${cursor.slice(0, -2)}${cursor.endsWith('AA') ? 'BB' : 'AA'}`,
    ])
      expect([path, (await get(path)).status]).toEqual([path, 400]);
  });

  test('what a list does not know is refused by name: filters, orders, fields, and a parameter said twice', async () => {
    for (const [query, named] of [
      ['colour=green', 'colour'],
      ['sort=hmac_key', 'sort'],
      ['fields=id,hmac_key', 'fields'],
      ['profile=a&profile=b', 'profile'],
      ['limit=501', 'limit'],
      ['limit=0', 'limit'],
    ]) {
      const answer = await get(`/api/v1/eab-keys?${query}`);
      expect([answer.status, answer.json()['detail']]).toEqual([400, expect.stringContaining(named!)]);
    }
  });

  test('fields leaves of lists and of single resources what was asked for, and the client’s schema takes it', async () => {
    const answer = await get('/api/v1/eab-keys?fields=key_id,uses&limit=1');
    expect(Object.keys(items(answer)[0]!).sort()).toEqual(['key_id', 'uses']);
    expect((await get('/api/v1/profiles/default?fields=id,enabled')).json()).toEqual({ id: 'default', enabled: true });
  });
});

describe('validators', () => {
  test('what has not changed is not sent again; what has, is', async () => {
    const first = await get('/api/v1/eab-keys');
    const tag = first.headers['etag']!;
    expect(tag).toMatch(/^W\/"/);
    const again = await get('/api/v1/eab-keys', { 'if-none-match': `"x", ${tag}` });
    expect([again.status, again.text, again.headers['etag']]).toEqual([304, '', tag]);
    await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal', description: 'one more' });
    expect((await get('/api/v1/eab-keys', { 'if-none-match': tag })).status).toBe(200);
  });

  test('every PUT and DELETE of something with versions is conditional, and of the others it is said why not', () => {
    const unconditional = {
      archiveCertificate: 'there is one way only, and no way back',
      deleteApiKey: 'an end has no version',
      revokeEnrolmentToken: 'an end has no version',
      retireTarget: 'an end has no version',
      revokeRole: 'a grant is there or not',
      setAgentGroupMember: 'a word about an agent: the last one holds',
      removeAgentGroupMember: 'a word about an agent: the last one holds',
      setChannelEnabled: 'a switch: the last word holds',
      updateLoop: 'a switch: the last word holds',
      setIssuingCa: 'a switch: the last word holds',
    };
    const without = routes.filter(
      ({ route }) => (route.method === 'PUT' || route.method === 'PATCH' || route.method === 'DELETE') && !isConditional(route),
    );
    expect(without.map(({ route }) => route.operation).sort()).toEqual(Object.keys(unconditional).sort());
  });
});

describe('idempotency keys', () => {
  const create = (key: string, body: object, headers: Record<string, string> = {}): Promise<Answer> =>
    api(platform, 'POST', '/api/v1/auth/keys', body, { 'idempotency-key': key, ...headers });
  const named = (name: string): object => ({ name, roles: [{ role: 'r-viewer' }] });
  const countOf = async (name: string): Promise<number> => items(await get(`/api/v1/auth/keys?name=${name}`)).length;

  test('a repetition gets the first answer, secret and all, and does nothing; the secret lies sealed', async () => {
    const first = await create('"first-key-0001"', named('once'));
    const again = await create('first-key-0001', named('once'));
    expect([first.status, again.status, again.headers['idempotency-replayed']]).toEqual([201, 201, 'true']);
    expect(again.json()).toEqual(first.json());
    expect(await countOf('once')).toBe(1);
    const database = await platform.database();
    try {
      const { rows } = await database.query<{ body: Buffer }>(`SELECT body FROM idempotency_keys WHERE key = 'first-key-0001'`);
      expect(rows[0]!.body.includes('ck_')).toBe(false);
    } finally {
      await database.end();
    }
  });

  test('the key of another request is refused, another caller’s key is another key', async () => {
    const body = named('mine');
    const other = (await create('second-key-001', body)).json()['token'];
    expect((await create('second-key-001', named('other'))).status).toBe(422);
    const asOther = await create('second-key-001', body, { authorization: `Bearer ${String(other)}` });
    expect(asOther.status).toBe(403);
    for (const bad of ['', 'short', 'a b c d e f g h', 'x'.repeat(200)]) expect((await create(bad, named('bad'))).status).toBe(400);
  });

  test('of many at once one has an effect; the others get its answer or hear that it is under way', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => create('many-at-once-1', named('many'))));
    expect(await countOf('many')).toBe(1);
    expect(answers.map(({ status }) => status).filter((status) => status !== 201 && status !== 409)).toEqual([]);
    const tokens = new Set(answers.filter(({ status }) => status === 201).map((answer) => answer.json()['token']));
    expect(tokens.size).toBe(1);
  });

  test('what was refused changed nothing, and may be sent again under its key', async () => {
    const refused = await create('third-key-0001', {
      name: 'later',
      roles: [{ role: 'r-viewer', scope_type: 'profile', scope_id: 'nobody' }],
    });
    expect(refused.status).toBe(400);
    expect((await create('third-key-0001', named('later'))).status).toBe(201);
  });

  test('a first request that died without an effect is begun anew, one that had an effect never again, and after a day all is forgotten', async () => {
    const database = await platform.database();
    try {
      await create('fourth-key-001', named('died'));
      const set = (columns: string): Promise<unknown> =>
        database.query(`UPDATE idempotency_keys SET status = NULL, headers = NULL, body = NULL, ${columns} WHERE key = 'fourth-key-001'`);
      await set(`claimed_until = now() + interval '1 minute'`);
      expect((await create('fourth-key-001', named('died'))).json()['detail']).toMatch(/under way/);
      await set(`claimed_until = now() - interval '1 second'`);
      expect((await create('fourth-key-001', named('died'))).json()['detail']).toMatch(/its answer was lost/);
      await set(`effect_at = NULL`);
      // The name is taken by now: the operation itself was tried again.
      expect((await create('fourth-key-001', named('died'))).json()['detail']).toMatch(/with this name exists/);
      await create('fifth-key-0001', named('fifth'));
      await database.query(`UPDATE idempotency_keys SET expires_at = now() WHERE key = 'fifth-key-0001'`);
      expect((await create('fifth-key-0001', named('sixth'))).status).toBe(201);
    } finally {
      await database.end();
    }
  });
});

describe('every answer', () => {
  test('names its request, is not sniffed, framed or kept, and says what is left of the limit', async () => {
    for (const answer of [
      await get('/api/v1/profiles'),
      await get('/api/v1/nothing'),
      await request(platform, `${platform.url}/api/v1/profiles`),
      await get('/health'),
    ]) {
      expect(answer.headers).toMatchObject({
        'x-request-id': expect.stringMatching(/^\S+$/) as string,
        'x-content-type-options': 'nosniff',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      });
    }
    expect((await get('/api/v1/profiles')).headers['ratelimit']).toMatch(/r=\d+/);
    const refused = await get('/api/v1/nothing');
    expect(refused.json()['instance']).toBe(`urn:certctl:request:${refused.headers['x-request-id']}`);
  });

  test('the description says of every route what the conventions promise', () => {
    const { paths } = openApi('1.0.0') as {
      paths: Record<string, Record<string, { parameters: { name?: string; $ref?: string }[]; responses: object }>>;
    };
    for (const { route } of routes) {
      const { parameters, responses } = paths[route.path]![route.method.toLowerCase()]!;
      const names = parameters.map(({ name, $ref }) => name ?? $ref?.split('/').at(-1));
      if (isConditional(route))
        expect([route.operation, names.includes('IfMatch'), '428' in responses, '412' in responses]).toEqual([
          route.operation,
          true,
          true,
          true,
        ]);
      if (route.method !== 'GET' && !['agent', 'enrolment'].includes(route.permission))
        expect([route.operation, names.includes('IdempotencyKey')]).toEqual([route.operation, true]);
      if (route.sorts !== undefined) expect(names).toEqual(expect.arrayContaining(['sort', 'cursor', 'limit', 'fields']));
    }
  });
});
