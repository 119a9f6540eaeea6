import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, startPlatform, type Platform } from '../platform.ts';
import { judge } from './certificate.ts';
import { freePort } from '#infra/local/free-port.ts';
import { startNameServer, type NameServer } from './name-server.ts';
import { has, succeed } from './tool.ts';

describe.skipIf(!has('lego'))('lego', () => {
  let platform: Platform;
  let dns: NameServer;
  let folder: string;
  let port: number;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lego-'));
    dns = await startNameServer();
    port = await freePort();
    platform = await startPlatform({ args: ['--door-http01-port', String(port), '--dns-resolver', dns.address] });
  });
  afterAll(async () => {
    await platform.stop();
    dns.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const lego = (tag: string, profile: string, globals: readonly string[], ...command: string[]): Promise<string> =>
    succeed(
      'lego',
      [
        '--server',
        `${platform.url}/acme/profile/${profile}/directory`,
        '--accept-tos',
        '--email',
        'ops@example.com',
        '--path',
        join(folder, tag),
        ...globals,
        ...command,
      ],
      { LEGO_CA_CERTIFICATES: join(platform.home, 'ca.pem'), EXEC_PATH: join(folder, 'hook.sh') },
    );

  async function lifeOf(tag: string, profile: string, file: string, globals: readonly string[]): Promise<void> {
    const { verify, status } = judge(platform);
    const base = join(folder, tag, 'certificates', file);
    const [leaf, chain] = [`${base}.crt`, `${base}.issuer.crt`];
    await lego(tag, profile, globals, 'run');
    await verify(chain, leaf);
    const first = readFileSync(leaf, 'utf8');
    await lego(tag, profile, globals, 'renew', '--days', '999', '--no-random-sleep');
    expect(readFileSync(leaf, 'utf8')).not.toBe(first);
    expect(await status(chain, leaf)).toBe('good');
    const kept = join(folder, `${tag}.pem`);
    writeFileSync(kept, readFileSync(leaf));
    const keptChain = join(folder, `${tag}-chain.pem`);
    writeFileSync(keptChain, readFileSync(chain));
    await lego(tag, profile, globals, 'revoke', '--keep');
    expect(await status(keptChain, kept)).toBe('revoked');
  }

  test('by http-01 gets, renews and revokes a certificate', async () => {
    await lifeOf('http', 'default', 'lego.localhost', ['--domains', 'lego.localhost', '--http', '--http.port', `127.0.0.1:${port}`]);
  });

  test('under trust with an EAB key gets, renews and revokes a certificate', async () => {
    const key = (await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal' })).json() as { key_id: string; hmac_key: string };
    const eab = ['--eab', '--kid', key.key_id, '--hmac', key.hmac_key];
    await lifeOf('trust', 'internal', 'db.corp.example', [
      '--domains',
      'db.corp.example',
      '--http',
      '--http.port',
      `127.0.0.1:${await freePort()}`,
      ...eab,
    ]);
  });

  test('by dns-01 gets a wildcard, renews and revokes it', async () => {
    const hook = join(folder, 'hook.sh');
    writeFileSync(
      hook,
      `#!/bin/sh\nname="\${2%.}"\nif [ "$1" = present ]; then echo "$3" >> '${dns.folder}'/"$name"; else rm -f '${dns.folder}'/"$name"; fi\n`,
    );
    chmodSync(hook, 0o755);
    await lifeOf('dns', 'default', '_.lego.example.test', [
      '--domains',
      '*.lego.example.test',
      '--dns',
      'exec',
      '--dns.disable-cp',
      '--dns.resolvers',
      dns.address,
    ]);
  });
});
