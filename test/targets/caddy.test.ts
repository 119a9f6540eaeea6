import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { inspectTarget } from '#connectors/targets/inspect.ts';
import { resumeInterrupted } from '#connectors/targets/resume.ts';
import { startCaddy, startCaddyAdmin } from './caddy-server.ts';
import { tenCases } from './cases.ts';
import { deployed, holds, serves, type Daemon } from './daemon.ts';
import { apart } from './interrupted.ts';
import { issued } from './issued.ts';

tenCases('Caddy by files', startCaddy);

describe('Caddy by its admin API', () => {
  const first = issued();
  let running: Daemon | undefined;
  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });
  const started = async (via?: 'unix'): Promise<Daemon> => {
    const daemon = await startCaddyAdmin(via);
    running = daemon;
    expect(await deployed(daemon, first)).toMatchObject({ ok: true, verification: { verified: true } });
    return daemon;
  };
  const snapshots = ({ rules }: Daemon): string[] =>
    existsSync(join(rules.stateDir, 'snapshots')) ? readdirSync(join(rules.stateDir, 'snapshots')) : [];

  test.each([undefined, 'unix' as const])('a first certificate, its renewal and a repetition, over %s', async (via) => {
    const daemon = await started(via);
    expect(await deployed(daemon, first)).toMatchObject({ ok: true, idempotent: true, steps: [] });
    const second = issued();
    expect(await deployed(daemon, second)).toMatchObject({ ok: true, idempotent: false });
    expect(await serves(daemon)).toBe(second.fingerprint);
    expect(snapshots(daemon)).toEqual([]);
  });

  test('what is stored is told where nobody looks at what is served', async () => {
    const daemon = await started();
    expect(await holds(daemon)).toBe(first.fingerprint);
  });

  test('where another certificate is served the old one comes back', async () => {
    const daemon = await started();
    const verify = { ...(daemon.config['verify'] as object), server_name: 'other.example.org', port: 1, within: 1 };
    const outcome = await deployed(daemon, issued(), { verify });
    expect(outcome).toMatchObject({ ok: false, failureClass: 'verify', rolledBack: true });
    expect(await serves(daemon)).toBe(first.fingerprint);
    expect(snapshots(daemon)).toEqual([]);
  });

  test('the very first one that fails leaves nothing behind', async () => {
    const daemon = await startCaddyAdmin();
    running = daemon;
    const verify = { ...(daemon.config['verify'] as object), port: 1, within: 1 };
    expect(await deployed(daemon, issued(), { verify })).toMatchObject({ ok: false, failureClass: 'verify', rolledBack: true });
    expect(await holds(daemon)).toBe('no certificate is stored');
  });

  test('a second id beside the first keeps both, as other elements survive', async () => {
    const daemon = await started();
    expect(await deployed(daemon, issued(), { id: 'other', verify: 'off' })).toMatchObject({ ok: true });
    expect(await holds(daemon)).toBe(first.fingerprint);
  });

  test('kill -9 after the change: the next start looks and concludes', async () => {
    const daemon = await started();
    const second = issued();
    expect(await apart(daemon, second, { death: { step: 'verify' } })).toMatchObject({ signal: 'SIGKILL' });
    expect(await resumeInterrupted(daemon.rules)).toMatchObject([{ ok: true }]);
    expect(await serves(daemon)).toBe(second.fingerprint);
    expect(snapshots(daemon)).toEqual([]);
  });

  test('kill -9 before the change: the old one stays and the snapshot with its key goes', async () => {
    const daemon = await started();
    expect(await apart(daemon, issued(), { death: { step: 'commit' } })).toMatchObject({ signal: 'SIGKILL' });
    expect(snapshots(daemon)).toHaveLength(1);
    expect(await resumeInterrupted(daemon.rules)).toMatchObject([{ ok: false, rolledBack: false }]);
    expect(await serves(daemon)).toBe(first.fingerprint);
    expect(snapshots(daemon)).toEqual([]);
  });

  test('kill -9 while rolling back: the next start goes on', async () => {
    const daemon = await started();
    const verify = { ...(daemon.config['verify'] as object), port: 1, within: 1 };
    const killed = await apart(daemon, issued(), { death: { step: 'reload_restored' }, overrides: { verify } });
    expect(killed).toMatchObject({ signal: 'SIGKILL' });
    expect(await resumeInterrupted(daemon.rules)).toMatchObject([{ ok: false, failureClass: 'verify', rolledBack: true }]);
    expect(await serves(daemon)).toBe(first.fingerprint);
  });

  test('an address that the host does not list gets no key', async () => {
    const daemon = await started();
    const rules = { ...daemon.rules, allowedPaths: ['http://localhost:2019'] };
    expect(await deployed(daemon, issued(), {}, rules)).toMatchObject({ ok: false, failureClass: 'validate', steps: [] });
    expect(await inspectTarget('caddy', daemon.config, rules)).toMatchObject({ ready: false, failureClass: 'validate' });
    expect(await inspectTarget('caddy', daemon.config, daemon.rules)).toMatchObject({
      ready: true,
      observation: { fingerprint: first.fingerprint },
    });
  });

  test('a Caddy that is gone is told as one that cannot be reached', async () => {
    const daemon = await started();
    const gone = { admin: 'http://localhost:1' };
    const rules = { ...daemon.rules, allowedPaths: ['http://localhost:1'] };
    expect(await deployed(daemon, issued(), gone, rules)).toMatchObject({ ok: false, failureClass: 'connector' });
  });
});
