import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { api, startPlatform, until, type Platform } from '../platform.ts';
import { freePort } from '#infra/local/free-port.ts';
import { examplesOf, filled } from './example.ts';
import { has } from './tool.ts';

const example = examplesOf('docs/acme/clients.md', 'caddyfile');

describe.skipIf(!has('caddy'))('caddy', () => {
  let platform: Platform;
  let folder: string;
  let [httpPort, httpsPort] = [0, 0];
  let caddy: ChildProcess | undefined;
  let said = '';
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'caddy-'));
    [httpPort, httpsPort] = [await freePort(), await freePort()];
    platform = await startPlatform({ args: ['--door-http01-port', String(httpPort), '--door-tls-alpn01-port', String(httpsPort)] });
  });
  afterEach(async () => {
    caddy?.kill('SIGTERM');
    if (caddy?.exitCode === null) await once(caddy, 'exit');
    caddy = undefined;
  });
  afterAll(async () => {
    await platform.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Caddy with the site of the guide, which has nothing but an ACME server to get a certificate from. */
  function serve(name: string, profile: string, ...rest: readonly string[]): void {
    const file = join(folder, `${name}.Caddyfile`);
    const site = filled(example(/^www\.example\.com/), {
      'https://acme.example.com': platform.url,
      '/profile/default/': `/profile/${profile}/`,
      '/etc/ssl/certctl-root.pem': join(platform.home, 'ca.pem'),
      'www.example.com {': `${name} {\n  bind 127.0.0.1`,
      'email ops@example.com': ['email ops@example.com', ...rest].join('\n'),
    });
    const ports = `  http_port ${httpPort}\n  https_port ${httpsPort}`;
    writeFileSync(file, `{\n  admin off\n${ports}\n  storage file_system ${folder}/${name}\n}\n${site}`);
    said = '';
    caddy = spawn('caddy', ['run', '--config', file, '--adapter', 'caddyfile'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, HOME: folder },
    });
    caddy.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text));
  }

  /** What a browser that trusts the platform's root sees, once there is something. */
  async function seen(name: string): Promise<{ readonly serial: string; readonly stapled: boolean }> {
    try {
      return await until(
        `${name} is served`,
        () =>
          new Promise<{ serial: string; stapled: boolean } | undefined>((resolve) => {
            const socket = tls.connect({ host: '127.0.0.1', port: httpsPort, servername: name, ca: platform.ca, requestOCSP: true });
            let stapled = false;
            socket.on('OCSPResponse', (response: Buffer | null) => (stapled = response !== null && response.length > 0));
            socket.on('secureConnect', () => {
              resolve({ serial: socket.getPeerCertificate().serialNumber, stapled });
              socket.destroy();
            });
            socket.on('error', () => resolve(undefined));
          }),
        60,
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${said}`);
    }
  }

  test('by tls-alpn-01 alone gets a certificate, serves it with its OCSP response, and keeps it over a restart', async () => {
    serve('alpn.localhost', 'default', 'disable_http_challenge');
    const first = await seen('alpn.localhost');
    expect(said).toContain('tls-alpn-01');
    expect(first.stapled).toBe(true);
    caddy!.kill('SIGTERM');
    await once(caddy!, 'exit');
    serve('alpn.localhost', 'default', 'disable_http_challenge');
    expect((await seen('alpn.localhost')).serial).toBe(first.serial);
  });

  test('by http-01 alone gets a certificate', async () => {
    serve('http.localhost', 'default', 'disable_tlsalpn_challenge');
    await seen('http.localhost');
    expect(said).toContain('http-01');
  });

  test('under trust with an EAB key gets a certificate of a name that nobody can reach', async () => {
    const key = (await api(platform, 'POST', '/api/v1/eab-keys', { profile: 'internal' })).json() as { key_id: string; hmac_key: string };
    serve('web.corp.example', 'internal', `eab ${key.key_id} ${key.hmac_key}`);
    await seen('web.corp.example');
  });
});
