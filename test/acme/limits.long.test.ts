import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPlatform, type Platform } from '../platform.ts';
import { acmeClient, freshName } from './client.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform({
    args: ['--copies', '2'],
    env: { LIMIT_NEW_ORDERS_PER_HOUR: '5', LIMIT_OPEN_ORDERS: '3' },
  });
});
afterAll(() => platform.stop());

test('given two copies and three open orders allowed, of five simultaneous orders three are made', async () => {
  const client = await acmeClient(platform);
  await client.register();
  const make = () => client.post(String(client.directory['newOrder']), { identifiers: [{ type: 'dns', value: freshName() }] });
  const answers = await Promise.all(Array.from({ length: 5 }, make));
  expect(answers.map((answer) => answer.status).sort()).toEqual([201, 201, 201, 429, 429]);
  // The hourly allowance of five is used up as well, in both copies.
  const refused = await make();
  expect([refused.status, refused.json()['type']]).toEqual([429, 'urn:ietf:params:acme:error:rateLimited']);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect(refused.headers['link']).toContain('rel="help"');
});

test('refused names spend no allowance', async () => {
  const client = await acmeClient(platform);
  await client.register();
  for (let i = 0; i < 8; i++) {
    const answer = await client.post(String(client.directory['newOrder']), { identifiers: [{ type: 'dns', value: 'not a name' }] });
    expect(answer.status).toBe(400);
  }
  expect((await client.order(freshName())).body['status']).toBe('pending');
});
