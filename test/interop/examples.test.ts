import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '#infra/local/free-port.ts';
import { root, startPlatform, type Platform } from '../platform.ts';
import { has, succeed } from './tool.ts';

describe.skipIf(!has('certbot'))('the example of certbot', () => {
  let platform: Platform;
  let door: number;
  beforeAll(async () => {
    door = await freePort();
    platform = await startPlatform({ args: ['--door-http01-port', String(door)] });
  });
  afterAll(() => platform.stop());

  test('gets a certificate, renews it and revokes it', async () => {
    const env = { CERTCTL_HOME: platform.home, CERTCTL_PORT: new URL(platform.url).port, HTTP01_PORT: String(door) };
    const output = await succeed('bash', [join(root, 'docs/examples/acme-certbot/run.sh')], env);
    expect(output).toMatch(/: OK\n.*renewed: serial=.*\nrevoked serial=/s);
  });
});
