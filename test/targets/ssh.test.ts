import { existsSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { inspectTarget } from '#connectors/targets/inspect.ts';
import { resumeInterrupted } from '#connectors/targets/resume.ts';
import { tenCases } from './cases.ts';
import { deployed, holds, serves, type Daemon } from './daemon.ts';
import { apart } from './interrupted.ts';
import { issued } from './issued.ts';
import { startSshHost, type SshHost } from './ssh-server.ts';

tenCases('nginx on a host reached by SSH', () => startSshHost());

describe('a host reached by SSH', () => {
  const first = issued();
  let running: Daemon | undefined;
  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });
  const started = async (): Promise<SshHost> => {
    const host = await startSshHost();
    running = host.daemon;
    await host.daemon.enableTls();
    expect(await deployed(host.daemon, first)).toMatchObject({ ok: true });
    return host;
  };
  const identities = ({ rules }: Daemon): string[] => readdirSync(join(rules.stateDir, 'work'));

  test('that shows another key than the pinned one gets nothing', async () => {
    const { daemon, strangersKey } = await started();
    const outcome = await deployed(daemon, issued(), { host_key: strangersKey });
    expect(outcome).toMatchObject({ ok: false, failureClass: 'connector', steps: [] });
    expect(outcome.detail).toContain('another host key');
    expect(await serves(daemon)).toBe(first.fingerprint);
    expect(identities(daemon)).toEqual([]);
  });

  test('that does not admit the identity is told as such, and a missing identity too, without the key', async () => {
    const { daemon } = await started();
    const refused = await deployed(daemon, issued(), { identity: 'stranger' });
    expect(refused).toMatchObject({ ok: false, failureClass: 'connector', detail: '127.0.0.1 does not admit this identity' });
    expect(await deployed(daemon, issued(), { identity: 'absent' })).toMatchObject({ ok: false, failureClass: 'validate' });
    expect(identities(daemon)).toEqual([]);
  });

  test('gets no file and no command that this host does not list', async () => {
    const { daemon } = await started();
    const elsewhere = { cert_path: join(daemon.home, 'elsewhere.crt') };
    expect(await deployed(daemon, issued(), elsewhere)).toMatchObject({ ok: false, failureClass: 'validate', steps: [] });
    expect(await deployed(daemon, issued(), { reload_command: ['reboot'] })).toMatchObject({
      ok: false,
      failureClass: 'validate',
      steps: [],
    });
    const quoted = { cert_path: `${daemon.home}/tls/$(id)` };
    expect(await deployed(daemon, issued(), quoted)).toMatchObject({ ok: false, failureClass: 'validate', steps: [] });
    expect(await serves(daemon)).toBe(first.fingerprint);
  });

  test('that cannot write keeps what it has', async () => {
    const { daemon } = await started();
    const before = daemon.keyFiles.map((file) => readFileSync(file, 'utf8'));
    const missing = { cert_path: join(daemon.home, 'tls/absent/site.crt') };
    expect(await deployed(daemon, issued(), missing)).toMatchObject({ ok: false, failureClass: 'write', rolledBack: false });
    expect(daemon.keyFiles.map((file) => readFileSync(file, 'utf8'))).toEqual(before);
    expect(readdirSync(join(daemon.home, 'tls')).filter((name) => name.includes('certctl'))).toEqual([]);
  });

  test('has no link written through', async () => {
    const { daemon } = await started();
    symlinkSync('/etc/hostname', join(daemon.home, 'tls/link.crt'));
    const link = { cert_path: join(daemon.home, 'tls/link.crt') };
    expect(await deployed(daemon, issued(), link)).toMatchObject({ ok: false, failureClass: 'validate' });
  });

  test.each(['stage', 'commit'] as const)('kill -9 at %s: the next start leaves the old pair and nothing beside it', async (step) => {
    const { daemon } = await started();
    expect(await apart(daemon, issued(), { death: { step } })).toMatchObject({ signal: 'SIGKILL' });
    expect(await resumeInterrupted(daemon.rules)).toMatchObject([{ ok: false, rolledBack: false }]);
    expect(readdirSync(join(daemon.home, 'tls')).sort()).toEqual(['site.crt', 'site.key']);
    expect(await serves(daemon)).toBe(first.fingerprint);
    expect(await holds(daemon)).toBe(first.fingerprint);
  });

  test('kill -9 while rolling back: the next start goes on', async () => {
    const { daemon, failingReload } = await started();
    const overrides = { reload_command: failingReload(1) };
    expect(await apart(daemon, issued(), { death: { step: 'reload_restored' }, overrides })).toMatchObject({ signal: 'SIGKILL' });
    expect(await resumeInterrupted(daemon.rules)).toMatchObject([{ ok: false, failureClass: 'reload', rolledBack: true }]);
    expect(await holds(daemon)).toBe(first.fingerprint);
    expect(await serves(daemon)).toBe(first.fingerprint);
    expect(existsSync(join(daemon.rules.stateDir, 'work')) ? identities(daemon) : []).toEqual([]);
  });

  test('a file that somebody else wrote meanwhile is left and told of', async () => {
    const { daemon, failingReload } = await started();
    const overrides = { reload_command: failingReload(1) };
    expect(await apart(daemon, issued(), { death: { step: 'restore' }, overrides })).toMatchObject({ signal: 'SIGKILL' });
    writeFileSync(daemon.keyFiles[0]!, 'somebody else');
    expect(await resumeInterrupted(daemon.rules)).toMatchObject([{ ok: false, failureClass: 'rollback_failed' }]);
    expect(readFileSync(daemon.keyFiles[0]!, 'utf8')).toBe('somebody else');
  });

  test('keeps no more backups than this host wants', async () => {
    const { daemon } = await started();
    for (let n = 0; n < 3; n++) expect(await deployed(daemon, issued(), {}, { backupRetention: 1 })).toMatchObject({ ok: true });
    expect(readdirSync(join(daemon.home, 'tls')).filter((name) => name.includes('certctl-bak'))).toHaveLength(2);
  });

  test('is tried without being changed', async () => {
    const { daemon, strangersKey } = await started();
    expect(await inspectTarget('ssh', daemon.config, daemon.rules)).toMatchObject({
      ready: true,
      observation: { fingerprint: first.fingerprint },
    });
    expect(await inspectTarget('ssh', { ...daemon.config, host_key: strangersKey }, daemon.rules)).toMatchObject({ ready: false });
    expect(await holds(daemon)).toBe(first.fingerprint);
  });
});
