import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root, startPlatform, type Platform } from '../platform.ts';
import { startNameServer, type NameServer } from './name-server.ts';
import { run } from './tool.ts';

let platform: Platform;
let names: NameServer;
beforeAll(async () => {
  names = await startNameServer();
  platform = await startPlatform({ args: ['--dns-resolver', names.address], env: { LIMIT_NEW_ORDERS_PER_HOUR: '20' } });
});
afterAll(async () => {
  await platform.stop();
  names.stop();
});

test('the smoke that judges a deployed platform says the same of npm start', async () => {
  const { output } = await run(
    process.execPath,
    [
      'test/smoke/smoke.ts',
      '--endpoint',
      platform.url,
      '--token-file',
      join(platform.home, 'admin-token'),
      '--ca',
      join(platform.home, 'ca.pem'),
    ],
    {},
    root,
  );
  expect(output).toMatch(/^[1-9]\d* passed, 0 failed$/m);
}, 180_000);
