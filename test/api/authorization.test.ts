import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, request, startPlatform, type Platform } from '../platform.ts';
import { roleTable } from './role-table.ts';

const letters = { a: 'r-admin', o: 'r-operator', v: 'r-viewer', g: 'r-agent', m: 'r-mcp', c: 'r-cli', u: 'r-auditor' } as const;
type Letter = keyof typeof letters;

let platform: Platform;
const everywhere = new Map<Letter, string>();
const inOneProfile = new Map<Letter, string>();

beforeAll(async () => {
  // Some hundred refusals come from this one address within seconds.
  platform = await startPlatform({
    env: { LIMIT_API_REQUESTS_PER_SECOND_PER_ADDRESS: '0', LIMIT_API_REQUESTS_PER_SECOND_PER_PRINCIPAL: '0' },
  });
  for (const [letter, role] of Object.entries(letters) as [Letter, string][]) {
    everywhere.set(letter, await key(`all-${letter}`, { role }));
    inOneProfile.set(letter, await key(`part-${letter}`, { role, scope_type: 'profile', scope_id: 'internal' }));
  }
});
afterAll(() => platform.stop());

async function key(name: string, grant: object): Promise<string> {
  return ((await api(platform, 'POST', '/api/v1/auth/keys', { name, roles: [grant] })).json() as { token: string }).token;
}

/** Nothing that exists is named and no body is valid, so that a caller who may gets no further than that. */
async function ask(route: string, token: string | undefined): Promise<number> {
  const [method = '', pattern = ''] = route.split(' ');
  const path = pattern.replace('{name}', 'no-such-loop').replace(/\{\w+\}/g, 'nothing-here');
  const answer = await request(platform, `${platform.url}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    ...(method !== 'GET' && method !== 'DELETE' && { body: '{"no_such_member": true}' }),
  });
  return answer.status;
}

test('every route that is served has its row in the table, and every row its route', async () => {
  const document = (await api(platform, 'GET', '/api/v1/openapi.json')).json() as { paths: Record<string, Record<string, unknown>> };
  const served = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(served.sort()).toEqual(Object.keys(roleTable).sort());
});

test('without a key only what is public answers', async () => {
  for (const [route, may] of Object.entries(roleTable))
    expect([route, (await ask(route, undefined)) === 401]).toEqual([route, may !== '-']);
});

test.each(Object.entries(roleTable))('%s is for %s and nobody else', async (route, may) => {
  const [all = '', part = ''] = may.split(' ');
  const open = all === '-' || all === '*';
  for (const [holders, tokens] of [
    [all, everywhere],
    [open ? all : part, inOneProfile],
  ] as const) {
    const verdicts = await Promise.all([...tokens].map(async ([letter, token]) => [letter, await ask(route, token)] as const));
    const passed = verdicts.filter(([, status]) => status !== 403).map(([letter]) => letter);
    expect(verdicts.filter(([, status]) => ![200, 202, 400, 403, 404, 409, 422].includes(status))).toEqual([]);
    expect(passed.join('')).toBe(open ? Object.keys(letters).join('') : holders);
  }
});
