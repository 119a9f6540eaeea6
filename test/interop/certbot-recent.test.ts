import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { api, startPlatform, type Platform } from '../platform.ts';
import { judge } from './certificate.ts';
import { freePort } from '#infra/local/free-port.ts';
import { has, run } from './tool.ts';

/** certbot of PyPI: run.sh installs it and says where. */
const command = process.env['CERTBOT_RECENT'] ?? 'certbot-recent';

// What Debian's does not know yet: profiles (since 4.0) and renewal information (since 4.1).
describe.skipIf(!has(command))('a recent certbot', () => {
  let platform: Platform;
  let folder: string;
  let port: number;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'certbot-recent-'));
    port = await freePort();
    platform = await startPlatform({ args: ['--door-http01-port', String(port)] });
    const short = { id: 'short', name: 'Short', description: 'Six days', validity_seconds: 518_400, selectable: true };
    expect((await api(platform, 'POST', '/api/v1/profiles', short)).status).toBe(201);
  });
  afterAll(async () => {
    await platform.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function certbot(
    ...args: readonly string[]
  ): Promise<{ readonly status: number | null; readonly output: string; readonly log: string }> {
    const own = ['--config-dir', folder, '--work-dir', join(folder, 'work'), '--logs-dir', join(folder, 'log'), '--non-interactive'];
    const { status, output } = await run(command, [...args, ...own], { REQUESTS_CA_BUNDLE: join(platform.home, 'ca.pem') });
    return { status, output, log: readFileSync(join(folder, 'log', 'letsencrypt.log'), 'utf8') };
  }
  const first = (name: string, ...args: readonly string[]): ReturnType<typeof certbot> =>
    certbot(
      ...['certonly', '--standalone', '--http-01-port', String(port), '-d', name, '--server', `${platform.url}/acme/directory`],
      ...['--agree-tos', '--register-unsafely-without-email', ...args],
    );
  const leaf = (name: string): X509Certificate => new X509Certificate(readFileSync(join(folder, 'live', name, 'cert.pem')));
  const file = (name: string, part: string): string => join(folder, 'live', name, `${part}.pem`);

  test('gets a certificate by the profile that it requires', async () => {
    const name = 'profile.localhost';
    const { status, output } = await first(name, '--required-profile', 'short');
    expect(status, output).toBe(0);
    await judge(platform).verify(file(name, 'chain'), file(name, 'cert'));
    const { validFromDate, validToDate } = leaf(name);
    expect((validToDate.getTime() - validFromDate.getTime()) / 86_400_000).toBeCloseTo(6, 1);
  });

  test('fails when it requires a profile that is not offered', async () => {
    const { status, output } = await first('none.localhost', '--required-profile', 'nobody');
    expect([status, output]).toEqual([1, expect.stringMatching(/profile/i)]);
  });

  test('renews when the server says that it is time, and not before', async () => {
    const name = 'ari.localhost';
    const made = await first(name);
    expect(made.status, made.output).toBe(0);
    const before = leaf(name).serialNumber;
    const database = await platform.database();
    try {
      // A CA that retires wants its certificates replaced.
      await database.query(`UPDATE certificate_authorities SET state = 'retiring' WHERE id = 'issuing-1'`);
      const renewed = await certbot('renew', '--cert-name', name, '--no-random-sleep-on-renew');
      expect(renewed.log).toMatch(/GET \/acme\/profile\/default\/renewal-info\/\S+ HTTP\/1\.1" 200/);
      expect(renewed.status, renewed.output).toBe(0);
      expect(leaf(name).serialNumber).not.toBe(before);
    } finally {
      await database.query(`UPDATE certificate_authorities SET state = 'active' WHERE id = 'issuing-1'`);
      await database.end();
    }
    const after = leaf(name).serialNumber;
    const { status, output } = await certbot('renew', '--cert-name', name, '--no-random-sleep-on-renew');
    expect([status, output]).toEqual([0, expect.stringContaining('not yet due')]);
    expect(leaf(name).serialNumber).toBe(after);
  });
});
