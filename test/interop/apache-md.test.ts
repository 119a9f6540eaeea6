import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '#infra/local/free-port.ts';
import { startPlatform, until, type Platform } from '../platform.ts';
import { examplesOf, filled } from './example.ts';
import { has, run, succeed } from './tool.ts';

const example = examplesOf('docs/acme/clients.md', 'apache');
const modules = ['mpm_event', 'authz_core', 'socache_shmcb', 'ssl', 'md'];

describe.skipIf(!has('apache2'))('Apache with mod_md', () => {
  let platform: Platform;
  let folder: string;
  let [httpPort, httpsPort] = [0, 0];
  let apache: ChildProcess | undefined;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'apache-md-'));
    [httpPort, httpsPort] = [await freePort(), await freePort()];
    platform = await startPlatform({ args: ['--door-http01-port', String(httpPort), '--door-tls-alpn01-port', String(httpsPort)] });
  });
  afterAll(async () => {
    apache?.kill('SIGTERM');
    if (apache?.exitCode === null) await once(apache, 'exit');
    await platform.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('as in the guide gets a certificate by tls-alpn-01, and serves it with its OCSP response', async () => {
    // Its workers are somebody else.
    chmodSync(folder, 0o755);
    const ca = join(folder, 'ca.pem');
    writeFileSync(ca, platform.ca);
    mkdirSync(join(folder, 'run'));
    const root = process.getuid?.() === 0 ? 'User www-data\nGroup www-data\n' : '';
    const site = filled(example(/^MDomain/), {
      'https://acme.example.com': platform.url,
      '/etc/ssl/certctl-root.pem': ca,
      'www.example.com': 'md.localhost',
      ':443': `:${httpsPort}`,
    });
    const configuration = join(folder, 'httpd.conf');
    writeFileSync(
      configuration,
      `ServerRoot ${folder}\nServerName localhost\nPidFile ${folder}/httpd.pid\nDefaultRuntimeDir ${folder}/run\nErrorLog ${folder}/error.log\nLogLevel warn md:info\n${root}` +
        `${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}\n` +
        `StartServers 1\nSSLSessionCache shmcb:${folder}/run/sessions(65536)\nListen 127.0.0.1:${httpPort}\nListen 127.0.0.1:${httpsPort}\n` +
        `MDPortMap 80:${httpPort} 443:${httpsPort}\nMDStoreDir ${folder}/md\nMDCAChallenges tls-alpn-01\n${site}`,
    );
    apache = spawn('apache2', ['-f', configuration, '-D', 'FOREGROUND'], { stdio: 'ignore' });
    const errors = join(folder, 'error.log');
    const log = (): string => (existsSync(errors) ? readFileSync(errors, 'utf8') : '');
    try {
      await until('mod_md has a certificate', () => Promise.resolve(log().includes('has been setup') || undefined), 60);
      await succeed('apache2', ['-f', configuration, '-k', 'graceful']);
      const curl = ['--silent', '--cacert', ca, '--cert-status', '--resolve', `md.localhost:${httpsPort}:127.0.0.1`];
      const url = `https://md.localhost:${httpsPort}/`;
      await until('it is served and stapled', async () => (await run('curl', [...curl, url])).status === 0 || undefined, 30);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${log()}`);
    }
    expect(log()).toContain('registered new account');
  });
});
