import { expect, test } from 'vitest';
import type { HttpRequest } from '../shared/http.ts';
import { healthOperations, type HealthPorts } from './health.ts';

const wanted = '000020_b.up.sql';

async function ready(
  seen: Awaited<ReturnType<HealthPorts['seen']['read']>>,
  head?: string,
  deep = false,
): Promise<{ status?: number; body: object | string }> {
  const operations = healthOperations({
    wanted,
    chance: { now: () => 0, random: () => new Uint8Array() },
    head: async () => head,
    seen: { read: async () => seen, write: async () => undefined },
  });
  const operation = operations.find((one) => one.route.path === '/ready')!;
  const input = {
    params: {},
    query: deep ? { deep: '1' } : {},
    body: {},
    caller: undefined,
    agent: undefined,
    request: {} as HttpRequest,
    reach: 'all' as const,
    expected: undefined,
  };
  return operation.run(input, () => Promise.reject(new Error('no list')));
}

test.each([
  ['000019_a.up.sql', 503, 'schema_behind'],
  [wanted, 200, 'up'],
  ['000021_c.up.sql', 200, 'up'],
  [undefined, 503, 'schema_behind'],
])('asked deeply with the schema at %s: %d, %s', async (head, status, state) => {
  expect(await ready(undefined, head, true)).toMatchObject({ status, body: { database: { state } } });
});

test('what an older release saw is held to what this one needs', async () => {
  const at = '2026-01-01T00:00:00.000Z';
  expect(await ready({ state: 'up', at, detail: '000019_a.up.sql' })).toMatchObject({
    status: 503,
    body: { database: { state: 'schema_behind' } },
  });
  expect(await ready({ state: 'schema_behind', at, detail: wanted })).toMatchObject({ status: 200, body: { database: { state: 'up' } } });
  expect(await ready({ state: 'down', at, detail: '' })).toMatchObject({ status: 503, body: { database: { state: 'down' } } });
  expect(await ready(undefined)).toMatchObject({ status: 200, body: { database: { state: 'unknown' } } });
});
