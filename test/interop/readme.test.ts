import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPlatform, type Platform } from '../platform.ts';
import { freePort } from '#infra/local/free-port.ts';
import { examplesOf } from './example.ts';
import { has, succeed } from './tool.ts';

const example = examplesOf('README.md');

describe.skipIf(!has('certbot') || !has('lego'))('the README', () => {
  let platform: Platform;
  let folder: string;
  let port: number;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'readme-'));
    port = await freePort();
    platform = await startPlatform({ home: join(folder, '.certctl'), args: ['--door-http01-port', String(port)] });
  });
  afterAll(async () => {
    await platform.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Pastes an example: only the addresses differ, because the tests' platform has ports of its own. */
  const paste = (text: string): Promise<string> => {
    const here = text.replaceAll('https://localhost:8443', platform.url).replaceAll('5002', String(port)).replaceAll('$PWD', folder);
    return succeed('bash', ['-ec', `cd '${folder}' && ${here}`]);
  };

  test('its certbot line gets a certificate that its openssl line accepts', async () => {
    await paste(example(/certbot certonly/));
    expect(await paste(example(/^openssl verify/))).toContain(': OK');
  });

  test('its lego line gets a certificate', async () => {
    await paste(example(/^LEGO_CA/));
  });

  test('its curl line makes a key for external accounts', async () => {
    expect(await paste(example(/^curl/))).toMatch(/"hmac_key":"[A-Za-z0-9_-]{43}"/);
  });

  test('the line that the platform itself prints is the README’s', () => {
    const words = (text: string): string[] =>
      text
        .replace(/\\\n/g, ' ')
        .split(/\s+/)
        .filter((word) => word.startsWith('--'));
    expect(words(/REQUESTS_CA_BUNDLE=[\s\S]*?--non-interactive/.exec(platform.output())?.[0] ?? '').sort()).toEqual(
      words(example(/certbot certonly/)).sort(),
    );
  });

  test('the line that the platform itself prints has the port at which it looks', () => {
    expect(platform.output()).toContain(`--http-01-port ${port} `);
  });
});
