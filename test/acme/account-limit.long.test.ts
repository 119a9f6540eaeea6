import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPlatform, type Platform } from '../platform.ts';
import { acmeClient } from './client.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform({ args: ['--copies', '2'], env: { LIMIT_NEW_ACCOUNTS_PER_3_HOURS: '4' } });
});
afterAll(() => platform.stop());

test('given two copies, one address makes only so many accounts, and an account that exists costs nothing', async () => {
  // The front's own account was the first.
  const clients = await Promise.all(Array.from({ length: 6 }, () => acmeClient(platform)));
  const answers = await Promise.all(clients.map((client) => client.register()));
  expect(answers.map((answer) => answer.status).sort()).toEqual([201, 201, 201, 429, 429, 429]);
  const known = clients[answers.findIndex((answer) => answer.status === 201)]!;
  known.kid = '';
  expect((await known.register()).status).toBe(200);
});
