import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sessionKey } from '#infra/local/copy/access-keys.ts';
import { otherSettings } from '../other-settings.ts';
import { api, startPlatform, type Platform } from '../platform.ts';
import { has, run, succeed } from './tool.ts';

describe.skipIf(!has('curl'))('curl, which signs for AWS by itself', () => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await startPlatform({ args: otherSettings });
    const mapping = { principal: 'arn:aws:iam::000000000000:role/curl', roles: [{ role: 'r-operator' }] };
    expect((await api(platform, 'POST', '/api/v1/auth/iam-mappings', mapping)).status).toBe(201);
  });
  afterAll(() => platform.stop());

  function signing(path: string, region = 'us-east-1'): string[] {
    const secret = readFileSync(join(platform.home, 'keys', 'access-keys.secret'));
    const key = sessionKey(secret, { role: 'curl', name: 'shell', expires: Math.floor(Date.now() / 1000) + 600 });
    return [
      ...['-sS', '--fail-with-body', '--cacert', join(platform.home, 'ca.pem')],
      ...['--aws-sigv4', `aws:amz:${region}:execute-api`, '--user', `${key.accessKeyId}:${key.secretAccessKey}`],
      ...['-H', `x-amz-security-token: ${key.sessionToken ?? ''}`, `${platform.url}/iam${path}`],
    ];
  }

  test('is let through as the session of its role: with a query, and with a body', async () => {
    expect(JSON.parse(await succeed('curl', signing('/api/v1/auth/me')))).toMatchObject({ id: 'IAM:000000000000:curl' });
    const body = ['-H', 'content-type: application/json', '-d', '{"name": "made by curl"}'];
    expect(JSON.parse(await succeed('curl', [...body, ...signing('/api/v1/teams')]))).toMatchObject({ name: 'made by curl' });
    const listed = JSON.parse(await succeed('curl', signing('/api/v1/teams?limit=5&sort=name'))) as { items: { name: string }[] };
    expect(listed.items.map(({ name }) => name)).toEqual(['made by curl']);
  });

  test('is not let through for another region', async () => {
    const { status, output } = await run('curl', signing('/api/v1/teams', 'eu-central-1'));
    expect([status, output]).toEqual([22, expect.stringContaining('{"message":"Forbidden"}')]);
  });
});
