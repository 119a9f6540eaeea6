import { chmodSync, chownSync, readFileSync, statSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { resumeInterrupted } from '#connectors/targets/resume.ts';
import { deployed, holds, serves, type Daemon } from './daemon.ts';
import { apart } from './interrupted.ts';
import { issued, type Issued } from './issued.ts';

/** A fresh daemon, and how its reload can be made to fail. */
export interface Subject {
  readonly daemon: Daemon;
  /** A reload command that fails as often as `failures` says, then reloads. */
  readonly failingReload: (failures: number) => readonly string[];
}

/** What is shown of another way to lay out the files of a server that goes through {@link tenCases}. */
export function deploysAndRenews(name: string, start: () => Promise<Subject>): void {
  test(`${name}: a first certificate and its renewal are served, the old one is kept beside`, async () => {
    const { daemon } = await start();
    try {
      await daemon.enableTls();
      for (const [material, backups] of [
        [issued(), 0] as const,
        [issued('rsa'), daemon.keyFiles.length + daemon.certFiles.length] as const,
      ]) {
        const outcome = await deployed(daemon, material);
        expect(outcome).toMatchObject({ ok: true, verification: { verified: true, actualFingerprint: material.fingerprint } });
        expect(outcome.backupPaths).toHaveLength(backups);
        expect(await deployed(daemon, material)).toMatchObject({ idempotent: true });
      }
    } finally {
      await daemon.stop();
    }
  });
}

/** The same ten cases for every server that reads files. */
export function tenCases(name: string, start: () => Promise<Subject>): void {
  describe(`${name}, the ten cases of every file target`, () => {
    let running: Daemon | undefined;
    const first = issued();
    afterEach(async () => {
      await running?.stop();
      running = undefined;
    });
    const fresh = async (): Promise<Subject> => {
      const subject = await start();
      running = subject.daemon;
      await subject.daemon.enableTls();
      return subject;
    };
    const withFirst = async (): Promise<Subject> => {
      const subject = await fresh();
      expect(await deployed(subject.daemon, first)).toMatchObject({ ok: true });
      return subject;
    };

    test('1 first deploy: files that were not there are served, the key for nobody else', async () => {
      const { daemon } = await fresh();
      const outcome = await deployed(daemon, first);
      expect(outcome).toMatchObject({ ok: true, idempotent: false, rolledBack: false, backupPaths: [] });
      expect(outcome.verification).toEqual({
        expectedFingerprint: first.fingerprint,
        actualFingerprint: first.fingerprint,
        verified: true,
      });
      expect(await serves(daemon)).toBe(first.fingerprint);
      for (const file of daemon.keyFiles) expect(statSync(file).mode & 0o777).toBe(0o600);
      for (const file of daemon.certFiles) expect(statSync(file).mode & 0o777).toBe(0o644);
    });

    test('2 renew: the new pair is served, the old one is kept beside', async () => {
      const { daemon } = await withFirst();
      const before = contents(daemon);
      const second = issued();
      const outcome = await deployed(daemon, second);
      expect(outcome).toMatchObject({ ok: true, verification: { verified: true } });
      expect(await serves(daemon)).toBe(second.fingerprint);
      expect(outcome.backupPaths).toHaveLength(before.length);
      expect(outcome.backupPaths.map((path) => readFileSync(path.replace(/^[^/]*:/, ''), 'latin1')).sort()).toEqual(
        before.map(([, text]) => text).sort(),
      );
    });

    test('3 idempotent skip: what is there already is neither written nor reloaded', async () => {
      const { daemon } = await withFirst();
      const inodes = files(daemon).map((file) => statSync(file).ino);
      expect(await deployed(daemon, first)).toMatchObject({ ok: true, idempotent: true, steps: [], verification: { verified: true } });
      expect(files(daemon).map((file) => statSync(file).ino)).toEqual(inodes);
    });

    test('4 validate fails: the old pair is back before the server is told', async () => {
      const { daemon } = await withFirst();
      const before = contents(daemon);
      const repair = daemon.breakConfiguration();
      const outcome = await deployed(daemon, issued());
      repair();
      expect(outcome).toMatchObject({ ok: false, failureClass: 'validate' });
      expect(outcome.steps).not.toContain('reload');
      expect(contents(daemon)).toEqual(before);
      expect(await serves(daemon)).toBe(first.fingerprint);
    });

    test('5 reload fails: the old pair is back and the server is told again', async () => {
      const { daemon, failingReload } = await withFirst();
      const before = contents(daemon);
      const outcome = await deployed(daemon, issued(), { reload_command: failingReload(1) });
      expect(outcome).toMatchObject({ ok: false, failureClass: 'reload', rolledBack: true });
      expect(contents(daemon)).toEqual(before);
      expect(await serves(daemon)).toBe(first.fingerprint);
    });

    test('6 reload and the reload after rolling back fail: an operator is called, the old pair lies in its place', async () => {
      const { daemon, failingReload } = await withFirst();
      const before = contents(daemon);
      const outcome = await deployed(daemon, issued(), { reload_command: failingReload(2) });
      expect(outcome).toMatchObject({ ok: false, failureClass: 'rollback_failed', rolledBack: false });
      expect(outcome.detail).toMatch(/reload.*rolling back failed/);
      expect(contents(daemon)).toEqual(before);
      expect(await serves(daemon)).toBe(first.fingerprint);
    });

    test('7 verify mismatch: where another certificate is served, the old pair comes back', async () => {
      const { daemon } = await withFirst();
      const before = contents(daemon);
      const other = issued();
      const stranger = await startStranger(other);
      const verify = { ...(daemon.config['verify'] as object), host: '127.0.0.1', port: stranger.port, starttls: undefined, within: 1 };
      const wanted = issued();
      const outcome = await deployed(daemon, wanted, { verify });
      stranger.close();
      expect(outcome).toMatchObject({
        ok: false,
        failureClass: 'verify',
        rolledBack: true,
        verification: { expectedFingerprint: wanted.fingerprint, actualFingerprint: other.fingerprint, verified: false },
      });
      expect(contents(daemon)).toEqual(before);
      await expect.poll(() => serves(daemon), { timeout: 20_000 }).toBe(first.fingerprint);
    });

    test('8 kill -9 between rename and reload: the next start tells the server and concludes', async () => {
      const { daemon } = await withFirst();
      const second = issued();
      expect(await apart(daemon, second, { death: { step: 'reload' } })).toMatchObject({ signal: 'SIGKILL' });
      expect(await serves(daemon)).toBe(first.fingerprint);
      const outcomes = await resumeInterrupted(daemon.rules);
      expect(outcomes).toMatchObject([{ ok: true, targetId: 'target-1', versionId: second.fingerprint.slice(0, 16) }]);
      expect(await serves(daemon)).toBe(second.fingerprint);
      expect(await resumeInterrupted(daemon.rules)).toEqual([]);
    });

    test('9 permissions kept: modes and owners that an operator set survive a renewal', async () => {
      const { daemon } = await withFirst();
      const group = process.getuid?.() === 0 ? 33 : (process.getgid?.() ?? 0);
      for (const file of daemon.keyFiles) chmodSync(file, 0o640);
      for (const file of daemon.certFiles) chmodSync(file, 0o444);
      for (const file of files(daemon)) chownSync(file, process.getuid?.() ?? 0, group);
      expect(await deployed(daemon, issued())).toMatchObject({ ok: true });
      for (const file of daemon.keyFiles) expect(statSync(file)).toMatchObject({ mode: 0o100640, gid: group });
      for (const file of daemon.certFiles) expect(statSync(file)).toMatchObject({ mode: 0o100444, gid: group });
    });

    test('10 two concurrent deploys: one after the other, and the pair that lies there is one pair and served', async () => {
      const { daemon } = await withFirst();
      const [second, third] = [issued(), issued()];
      const outcomes = await Promise.all([deployed(daemon, second), deployed(daemon, third)]);
      expect(outcomes).toMatchObject([
        { ok: true, verification: { verified: true } },
        { ok: true, verification: { verified: true } },
      ]);
      const held = await holds(daemon);
      const winner = [second, third].find(({ fingerprint }) => fingerprint === held);
      // A process that is leaving may still answer.
      await expect.poll(() => serves(daemon), { timeout: 20_000 }).toBe(winner?.fingerprint ?? 'one of the two');
      expect(await deployed(daemon, winner ?? first)).toMatchObject({ idempotent: true });
    });
  });
}

const files = (daemon: Daemon): string[] => [...daemon.keyFiles, ...daemon.certFiles];
const contents = (daemon: Daemon): [string, string][] => files(daemon).map((file) => [file, readFileSync(file, 'latin1')]);

function startStranger({ leafPem, chainPem, privateKeyPem }: Issued): Promise<{ readonly port: number; close(): void }> {
  const server = tls.createServer({ cert: leafPem + chainPem, key: privateKeyPem });
  server.on('tlsClientError', () => undefined);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve({ port: (server.address() as net.AddressInfo).port, close: () => server.close() }));
  });
}
