import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nameOf } from '../acme-conformance/case.ts';
import { line } from '../acme-conformance/report.ts';
import { runSuite } from '../acme-conformance/run.ts';
import { sections } from '../acme-conformance/sections.ts';
import { openSession, startResponders, type Responders, type Session } from '../acme-conformance/session.ts';
import { root, until } from '../platform.ts';
import { freePort } from '#infra/local/free-port.ts';
import { has } from './tool.ts';

describe.skipIf(!has('pebble'))('pebble', () => {
  let folder: string;
  let port: number;
  let pebble: ChildProcess;
  let responders: Responders & { close(): Promise<void> };
  const here = { listen: '127.0.0.1', httpPort: 0, tlsPort: 0, dnsPort: 0, address: '127.0.0.1' };
  const session = (): Promise<Session> =>
    openSession(
      {
        ...here,
        directory: `https://localhost:${port}/dir`,
        ca: readFileSync(join(folder, 'cert.pem'), 'utf8'),
        externalAccount: undefined,
        suffix: 'conformance.test',
        ip: '127.0.0.1',
        profile: undefined,
        patience: 60,
        only: [],
        mustOnly: false,
        junit: undefined,
      },
      responders,
    );
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'pebble-'));
    responders = await startResponders(here);
    port = await freePort();
    const made = spawnSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
        ...['-keyout', 'key.pem', '-out', 'cert.pem', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'],
      ],
      { cwd: folder },
    );
    expect(made.status).toBe(0);
    const config = {
      pebble: {
        listenAddress: `127.0.0.1:${port}`,
        managementListenAddress: `127.0.0.1:${await freePort()}`,
        certificate: 'cert.pem',
        privateKey: 'key.pem',
        httpPort: responders.http?.port,
        tlsPort: responders.tls?.port,
      },
    };
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    // It refuses a nonce in twenty and reuses half of the authorizations, as it does for everybody; only its waiting is left out.
    const env = { ...process.env, PEBBLE_VA_NOSLEEP: '1' };
    pebble = spawn('pebble', ['-config', 'config.json', '-dnsserver', responders.zone?.address ?? ''], {
      cwd: folder,
      env,
      stdio: 'ignore',
    });
    await until('pebble answers', () =>
      session().then(
        (opened) => {
          opened.close();
          return true;
        },
        () => undefined,
      ),
    );
  });
  afterAll(async () => {
    pebble.kill();
    await responders.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('is judged fairly: what it fails is what docs/acme/conformance.md explains, and nothing else', { timeout: 240_000 }, async () => {
    const opened = await session();
    const results = await runSuite(opened.subject, sections, { only: [], mustOnly: false });
    opened.close();
    const failed = results.filter(({ outcome }) => outcome === 'fail');
    const explained = [
      ...readFileSync(join(root, 'docs/acme/conformance.md'), 'utf8').matchAll(/^\| (RFC \d+ §[\d.]+) \| ([^|]+) \| [^|]+ \|$/gm),
    ];
    expect(failed.map((result) => nameOf(result.case)).sort(), failed.map(line).join('\n')).toEqual(
      explained.map(([, clause, title]) => `${clause!} ${title!}`).sort(),
    );
    expect(results.filter(({ outcome }) => outcome === 'pass').length).toBeGreaterThan(140);
  });
});
