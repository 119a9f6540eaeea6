import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, startPlatform, type Platform } from '../platform.ts';
import { freePort } from '#infra/local/free-port.ts';
import { judge } from './certificate.ts';
import { examplesOf, filled } from './example.ts';
import { has, succeed } from './tool.ts';

const pointing = examplesOf('docs/acme/clients.md');
const moving = examplesOf('docs/acme/migrate-from-certbot.md');

describe.skipIf(!has('certbot') || !has('lego'))('the guides for clients', () => {
  let platform: Platform;
  let folder: string;
  let port: number;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'guides-'));
    port = await freePort();
    platform = await startPlatform({ args: ['--door-http01-port', String(port)] });
    expect((await api(platform, 'POST', '/api/v1/profiles', { id: 'former', name: 'The CA before' })).status).toBe(201);
  });
  afterAll(async () => {
    await platform.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const root = (): string => join(platform.home, 'ca.pem');
  /** A host of its own: where its certbot keeps its files, which nobody types, is in its configuration. */
  function host(tag: string) {
    const [etc, config] = [join(folder, tag, 'letsencrypt'), join(folder, tag, 'config')];
    mkdirSync(join(config, 'letsencrypt'), { recursive: true });
    const folders = { 'config-dir': etc, 'work-dir': join(etc, 'work'), 'logs-dir': join(etc, 'log') };
    const lines = Object.entries({ ...folders, 'non-interactive': 'true', 'no-random-sleep-on-renew': 'true', 'http-01-port': port }).map(
      ([name, value]) => `${name} = ${value}`,
    );
    writeFileSync(join(config, 'letsencrypt', 'cli.ini'), lines.join('\n'));
    return {
      etc,
      paste: (text: string, values: Readonly<Record<string, string>> = {}): Promise<string> =>
        succeed('bash', ['-ec', `cd '${join(folder, tag)}' && ${filled(text, values)}`], {
          XDG_CONFIG_HOME: config,
          REQUESTS_CA_BUNDLE: root(),
        }),
      leafOf: (name: string): string => join(etc, 'live', name, 'cert.pem'),
      chainOf: (name: string): string => join(etc, 'live', name, 'chain.pem'),
      renewalOf: (name: string): string => readFileSync(join(etc, 'renewal', `${name}.conf`), 'utf8'),
    };
  }
  const server = (): Readonly<Record<string, string>> => ({ 'https://acme.example.com': platform.url });
  async function invited(): Promise<Readonly<Record<string, string>>> {
    const key = (await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal' })).json() as { key_id: string; hmac_key: string };
    return { KEY_ID: key.key_id, HMAC_KEY: key.hmac_key };
  }
  test('the certbot line gets a certificate', async () => {
    const name = 'pointed.localhost';
    const { paste, chainOf, leafOf } = host('pointed');
    await paste(pointing(/certbot certonly/), { ...server(), '/etc/ssl/certctl-root.pem': root(), 'www.example.com': name });
    await judge(platform).verify(chainOf(name), leafOf(name));
  });

  test('the lego line gets a certificate by an invitation', async () => {
    await host('lego').paste(pointing(/ lego /), {
      ...server(),
      ...(await invited()),
      '/etc/ssl/certctl-root.pem': root(),
      'www.example.com': 'www.corp.example',
    });
    const kept = join(folder, 'lego', '.lego', 'certificates', 'www.corp.example');
    await judge(platform).verify(`${kept}.issuer.crt`, `${kept}.crt`);
  });

  test('certbot goes from a former CA to this one and back, keeps its files, and renews where it was told last', async () => {
    const name = 'moved.localhost';
    const former = `${platform.url}/acme/profile/former/directory`;
    const { paste, etc, chainOf, leafOf, renewalOf } = host('moved');
    const leaf = leafOf(name);
    await paste(`certbot certonly --standalone -d ${name} --server ${former} --agree-tos -m ops@example.com`);
    const serials = [readFileSync(leaf, 'utf8')];

    await paste(moving(/^certbot register .*default/), server());
    await paste(moving(/^certbot renew .*acme\.example\.com/), { ...server(), 'www.example.com': name });
    serials.push(readFileSync(leaf, 'utf8'));
    expect(renewalOf(name)).toContain(`server = ${platform.url}/acme/profile/default/directory`);
    const files = { '/etc/ssl/certctl-root.pem': root(), '/etc/letsencrypt': etc, 'www.example.com': name };
    expect(await paste(moving(/^openssl verify/), files)).toContain(': OK');
    // The timer's line: nothing but what the renewal file says.
    await paste('certbot renew --force-renewal --no-random-sleep-on-renew');
    serials.push(readFileSync(leaf, 'utf8'));
    expect(renewalOf(name)).toContain('/acme/profile/default/directory');

    await paste(moving(/^certbot renew .*former\.example/), { 'https://former.example/directory': former, 'www.example.com': name });
    serials.push(readFileSync(leaf, 'utf8'));
    expect(renewalOf(name)).toContain(`server = ${former}`);
    expect(new Set(serials).size).toBe(4);
    await judge(platform).verify(chainOf(name), leaf);
  });

  test('certbot registers by an invitation', async () => {
    expect(await host('invited').paste(moving(/^certbot register .*internal/), { ...server(), ...(await invited()) })).toContain(
      'Account registered',
    );
  });
});
