import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, startPlatform, type Platform } from '../platform.ts';
import { judge } from './certificate.ts';
import { freePort } from '#infra/local/free-port.ts';
import { startNameServer, type NameServer } from './name-server.ts';
import { has, succeed } from './tool.ts';

describe.skipIf(!has('certbot'))('certbot', () => {
  let platform: Platform;
  let dns: NameServer;
  let folder: string;
  let port: number;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'certbot-'));
    dns = await startNameServer();
    port = await freePort();
    platform = await startPlatform({ args: ['--door-http01-port', String(port), '--dns-resolver', dns.address] });
  });
  afterAll(async () => {
    await platform.stop();
    dns.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** certbot with folders of its own, as the README has it. */
  const certbot = (tag: string, ...args: string[]): Promise<string> => {
    const own = join(folder, tag);
    return succeed(
      'certbot',
      [...args, '--config-dir', own, '--work-dir', join(own, 'work'), '--logs-dir', join(own, 'log'), '--non-interactive'],
      {
        REQUESTS_CA_BUNDLE: join(platform.home, 'ca.pem'),
      },
    );
  };
  const directory = (profile: string): string => `${platform.url}/acme/profile/${profile}/directory`;
  const account = ['--agree-tos', '--register-unsafely-without-email'];
  const live = (tag: string, name: string) => ({
    leaf: join(folder, tag, 'live', name, 'cert.pem'),
    chain: join(folder, tag, 'live', name, 'chain.pem'),
  });

  async function renewAndRevoke(tag: string, name: string, profile: string, renewal: string[]): Promise<void> {
    const { verify, status } = judge(platform);
    const { leaf, chain } = live(tag, name);
    await verify(chain, leaf);
    const first = readFileSync(leaf, 'utf8');
    await certbot(tag, 'renew', '--force-renewal', '--no-random-sleep-on-renew', ...renewal);
    expect(readFileSync(leaf, 'utf8')).not.toBe(first);
    await verify(chain, leaf);
    expect(await status(chain, leaf)).toBe('good');
    const kept = join(folder, `${tag}-kept.pem`);
    writeFileSync(kept, readFileSync(leaf));
    const keptChain = join(folder, `${tag}-chain.pem`);
    writeFileSync(keptChain, readFileSync(chain));
    await certbot(tag, 'revoke', '--cert-path', leaf, '--server', directory(profile), '--reason', 'superseded', '--no-delete-after-revoke');
    expect(await status(keptChain, kept)).toBe('revoked');
  }

  test('by http-01 gets, renews and revokes a certificate', async () => {
    const name = 'demo.localhost';
    await certbot(
      'http',
      'certonly',
      '--standalone',
      '--http-01-port',
      String(port),
      '-d',
      name,
      '--server',
      directory('default'),
      ...account,
    );
    await renewAndRevoke('http', name, 'default', []);
  });

  test('with a key of an RSA account and certificate, too', async () => {
    const name = 'rsa.localhost';
    await certbot(
      'rsa',
      'certonly',
      '--standalone',
      '--http-01-port',
      String(port),
      '-d',
      name,
      '--key-type',
      'rsa',
      '--server',
      directory('default'),
      ...account,
    );
    await judge(platform).verify(live('rsa', name).chain, live('rsa', name).leaf);
  });

  test('under trust with an EAB key gets, renews and revokes a certificate', async () => {
    const key = (await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal' })).json() as { key_id: string; hmac_key: string };
    const name = 'printer.corp.example';
    const eab = ['--eab-kid', key.key_id, '--eab-hmac-key', key.hmac_key];
    await certbot('trust', 'certonly', '--standalone', '-d', name, '--server', directory('internal'), ...account, ...eab);
    await renewAndRevoke('trust', name, 'internal', []);
  });

  test('by dns-01 gets a wildcard with its base, renews and revokes it', async () => {
    const name = 'wild.example.test';
    const hook = `echo "$CERTBOT_VALIDATION" >> '${dns.folder}'/_acme-challenge.$CERTBOT_DOMAIN`;
    const clean = `rm -f '${dns.folder}'/_acme-challenge.$CERTBOT_DOMAIN`;
    const manual = ['--manual', '--preferred-challenges', 'dns', '--manual-auth-hook', hook, '--manual-cleanup-hook', clean];
    await certbot('dns', 'certonly', ...manual, '-d', `*.${name}`, '-d', name, '--server', directory('default'), ...account);
    await renewAndRevoke('dns', name, 'default', []);
  });
});
