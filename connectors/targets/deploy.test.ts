import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { tenCases, type Subject } from '../../test/targets/cases.ts';
import { deployed, serves, type Daemon } from '../../test/targets/daemon.ts';
import { apart } from '../../test/targets/interrupted.ts';
import { issued } from '../../test/targets/issued.ts';
import { startStandIn } from '../../test/targets/stand-in.ts';
import { resumeInterrupted } from './resume.ts';

tenCases('a stand-in with two files', () => startStandIn());

const first = issued();
let running: Daemon | undefined;
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

async function started(layout?: 'one file'): Promise<Subject> {
  const subject = await startStandIn(layout);
  running = subject.daemon;
  expect(await deployed(subject.daemon, first)).toMatchObject({ ok: true });
  return subject;
}

const leavings = ({ home }: Daemon): string[] => readdirSync(join(home, 'tls')).filter((name) => name.includes('certctl-tmp'));
const journals = ({ rules }: Daemon): string[] => readdirSync(join(rules.stateDir, 'journal'));

describe('a host that cannot write', () => {
  test('given a folder that is read-only, nothing changes and the class is write', async () => {
    const { daemon } = await started();
    const folder = join(daemon.home, 'tls');
    const account = process.getuid?.() === 0 ? 65_534 : (process.getuid?.() ?? 0);
    for (const place of [daemon.rules.stateDir, join(daemon.rules.stateDir, 'journal'), ...daemon.keyFiles]) chownSync(place, account, -1);
    chmodSync(folder, 0o555);
    const { outcomes } = await apart(daemon, issued(), { account });
    chmodSync(folder, 0o755);
    expect(outcomes).toMatchObject([{ ok: false, failureClass: 'write', rolledBack: false }]);
    expect(outcomes[0]?.detail).toContain('EACCES');
    expect(await serves(daemon)).toBe(first.fingerprint);
    expect(await deployed(daemon, first)).toMatchObject({ idempotent: true });
  });

  test('given a disk that takes no more than the journal, the old file stays and no half of the new one does', async () => {
    const { daemon } = await started('one file');
    const before = readFileSync(daemon.keyFiles[0] ?? '');
    const { outcomes } = await apart(daemon, issued('rsa'), { fileBlocks: 5 });
    expect(outcomes).toMatchObject([{ ok: false, failureClass: 'write' }]);
    expect(outcomes[0]?.detail).toMatch(/site\.pem.*EFBIG/);
    expect(readFileSync(daemon.keyFiles[0] ?? '')).toEqual(before);
    expect(readdirSync(join(daemon.home, 'tls'))).toEqual(['site.pem']);
    expect(journals(daemon)).toEqual([]);
  });

  test('given a disk that takes not even the journal, nothing is begun', async () => {
    const { daemon } = await started();
    const { outcomes } = await apart(daemon, issued(), { fileBlocks: 0 });
    expect(outcomes).toMatchObject([{ ok: false, failureClass: 'write', detail: expect.stringContaining('journal') as string }]);
    expect(journals(daemon)).toEqual([]);
    expect(await deployed(daemon, issued())).toMatchObject({ ok: true });
  });

  test('given a file that somebody else replaced meanwhile, rolling back leaves it and says so', async () => {
    const { daemon } = await started();
    expect(await apart(daemon, issued(), { death: { step: 'commit', index: 1 } })).toMatchObject({ signal: 'SIGKILL' });
    writeFileSync(daemon.keyFiles[0] ?? '', 'somebody else');
    const [outcome] = await resumeInterrupted(daemon.rules);
    expect(outcome).toMatchObject({ ok: false, failureClass: 'rollback_failed', rolledBack: false });
    expect(outcome?.backupPaths.length).toBeGreaterThan(0);
    expect(readFileSync(daemon.keyFiles[0] ?? '', 'utf8')).toBe('somebody else');
    expect(await deployed(daemon, issued())).toMatchObject({ ok: false, failureClass: 'rollback_failed' });
  });

  test.each([
    [
      'copied the backup over the file',
      ({ daemon, backup }: { daemon: Daemon; backup: string }) => copyFileSync(backup, daemon.keyFiles[0] ?? ''),
    ],
    ['removed the journal', ({ daemon }: { daemon: Daemon }) => rmSync(join(daemon.rules.stateDir, 'journal/target-1.journal'))],
  ])('given a person who %s after rolling back had failed, the next deployment goes on', async (_, settle) => {
    const { daemon } = await started();
    await apart(daemon, issued(), { death: { step: 'commit', index: 1 } });
    writeFileSync(daemon.keyFiles[0] ?? '', 'somebody else');
    const [outcome] = await resumeInterrupted(daemon.rules);
    const backup = outcome?.backupPaths.find((path) => path.includes('.site.key.')) ?? '';
    settle({ daemon, backup });
    const next = issued();
    expect(await deployed(daemon, next)).toMatchObject({ ok: true });
    expect(await serves(daemon)).toBe(next.fingerprint);
  });
});

describe('material that cannot be served', () => {
  const untouched = async (daemon: Daemon): Promise<void> => {
    expect(await serves(daemon)).toBe(first.fingerprint);
    expect(await deployed(daemon, first)).toMatchObject({ idempotent: true });
  };

  test('a key of another certificate is a key mismatch', async () => {
    const { daemon } = await started();
    const other = { ...issued(), privateKeyPem: issued().privateKeyPem };
    expect(await deployed(daemon, other)).toMatchObject({ ok: false, failureClass: 'key_mismatch', steps: [] });
    await untouched(daemon);
  });

  test('an expired certificate is refused by a host that trusts its clock, and by no other', async () => {
    const { daemon } = await started();
    const ended = issued('ec', new Date(Date.now() - 1000));
    expect(await deployed(daemon, ended)).toMatchObject({ ok: false, failureClass: 'validate', detail: 'the certificate has expired' });
    await untouched(daemon);
    expect(await deployed(daemon, ended, {}, { now: () => undefined })).toMatchObject({ ok: true });
  });

  test('a chain that does not lead on from the leaf is refused', async () => {
    const { daemon } = await started();
    const material = issued();
    const outcome = await deployed(daemon, { ...material, chainPem: issued().leafPem });
    expect(outcome).toMatchObject({ ok: false, failureClass: 'validate' });
    await untouched(daemon);
  });
});

describe('what the host does not allow', () => {
  test.each([
    ['a path outside', (daemon: Daemon) => ({ cert_path: join(daemon.home, 'elsewhere.crt') }), /does not allow deployments/],
    ['a path with ..', (daemon: Daemon) => ({ cert_path: join(daemon.home, 'tls') + '/../elsewhere.crt' }), /cert_path/],
    ['a command that is not listed', () => ({ reload_command: ['touch', '/tmp/somewhere-else'] }), /does not allow the command/],
    [
      'a listed command with one word more',
      (daemon: Daemon) => ({ check_command: [...(daemon.config['check_command'] as string[]), '-a'] }),
      /command/,
    ],
    ['an unknown field', () => ({ shell: 'rm -rf /' }), /shell/],
    ['both layouts', (daemon: Daemon) => ({ pem_path: join(daemon.home, 'tls/site.pem') }), /either/],
    ['a key that others may read', () => ({ key_file_mode: '0644' }), /key_file_mode/],
    ['no word on verification', () => ({ verify: undefined }), /verify/],
  ])('%s is refused before anything is written', async (_what, overrides, detail) => {
    const { daemon } = await started();
    const outcome = await deployed(daemon, issued(), overrides(daemon));
    expect(outcome).toMatchObject({ ok: false, failureClass: 'validate', steps: [] });
    expect(outcome.detail).toMatch(detail);
    expect(await serves(daemon)).toBe(first.fingerprint);
  });

  test('a link that leads out of the allowed folder is followed to where it leads and refused', async () => {
    const { daemon } = await started();
    mkdirSync(join(daemon.home, 'outside'));
    symlinkSync(join(daemon.home, 'outside'), join(daemon.home, 'tls/inside'));
    const outcome = await deployed(daemon, issued(), { cert_path: join(daemon.home, 'tls/inside/site.crt') });
    expect(outcome).toMatchObject({ ok: false, failureClass: 'validate' });
    expect(readdirSync(join(daemon.home, 'outside'))).toEqual([]);
  });

  test('a file that is a link is not written through', async () => {
    const { daemon } = await started();
    symlinkSync('/etc/hostname', join(daemon.home, 'tls/link.crt'));
    const outcome = await deployed(daemon, issued(), { cert_path: join(daemon.home, 'tls/link.crt') });
    expect(outcome).toMatchObject({ ok: false, failureClass: 'validate', detail: expect.stringContaining('link') as string });
  });

  test('a file that is a link is replaced where it leads when the target says so, and the link stays', async () => {
    const { daemon } = await started();
    const [key = '', cert = ''] = [...daemon.keyFiles, ...daemon.certFiles];
    mkdirSync(join(daemon.home, 'tls/archive'));
    for (const [file, name] of [
      [key, 'site1.key'],
      [cert, 'site1.crt'],
    ] as const) {
      renameSync(file, join(daemon.home, 'tls/archive', name));
      symlinkSync(join('archive', name), file);
    }
    const second = issued();
    const follow = { follow_symlinks: true };
    expect(await deployed(daemon, second, follow)).toMatchObject({ ok: true, verification: { verified: true } });
    expect(await serves(daemon)).toBe(second.fingerprint);
    expect(readlinkSync(cert)).toBe('archive/site1.crt');
    expect(readdirSync(join(daemon.home, 'tls')).sort()).toEqual(['archive', 'site.crt', 'site.key']);
    // Taken back there, too.
    const verify = { ...(daemon.config['verify'] as object), port: 1, within: 1 };
    expect(await deployed(daemon, issued(), { ...follow, verify })).toMatchObject({ ok: false, failureClass: 'verify', rolledBack: true });
    expect(await deployed(daemon, second, follow)).toMatchObject({ ok: true });
    // After a crash between the two files, as well.
    await apart(daemon, issued(), { death: { step: 'commit', index: 1 }, overrides: follow });
    expect(await resumeInterrupted(daemon.rules)).toMatchObject([{ rolledBack: true }]);
    expect(await deployed(daemon, second, follow)).toMatchObject({ ok: true, idempotent: true });
  });

  test.each([
    ['out of the allowed folders', '/etc/hostname', /does not allow/],
    ['nowhere', '/nowhere/at/all', /cannot be followed/],
  ])('a link that leads %s is refused, also when the target lets links be followed', async (_, to, detail) => {
    const { daemon } = await started();
    symlinkSync(to, join(daemon.home, 'tls/link.crt'));
    const outcome = await deployed(daemon, issued(), { cert_path: join(daemon.home, 'tls/link.crt'), follow_symlinks: true });
    expect(outcome).toMatchObject({ ok: false, failureClass: 'validate', detail: expect.stringMatching(detail) as string, steps: [] });
  });

  test('a folder that anybody may write is not used', async () => {
    const { daemon } = await started();
    mkdirSync(join(daemon.home, 'tls/open'));
    chmodSync(join(daemon.home, 'tls/open'), 0o777);
    const outcome = await deployed(daemon, issued(), { cert_path: join(daemon.home, 'tls/open/site.crt') });
    expect(outcome).toMatchObject({ ok: false, failureClass: 'validate' });
  });

  test('a type that this build does not know is refused', async () => {
    const { daemon } = await started();
    expect(await deployed({ ...daemon, targetType: 'constructor' }, issued())).toMatchObject({ ok: false, failureClass: 'connector' });
  });
});

describe('the rest of its life', () => {
  test('no more backups stay than the host wants, the newest ones', async () => {
    const { daemon } = await started();
    for (let n = 0; n < 4; n++) expect(await deployed(daemon, issued(), {}, { backupRetention: 2 })).toMatchObject({ ok: true });
    expect(readdirSync(join(daemon.home, 'tls')).filter((name) => name.includes('certctl-bak'))).toHaveLength(4);
    const last = await deployed(daemon, issued(), {}, { backupRetention: 0 });
    expect(last).toMatchObject({ ok: true, backupPaths: [] });
    expect(readdirSync(join(daemon.home, 'tls')).sort()).toEqual(['site.crt', 'site.key']);
  });

  test('files in place that the server was never told of are told and verified, not skipped', async () => {
    const { daemon } = await started();
    const second = issued();
    expect(await deployed(daemon, second, { verify: 'off', reload_command: daemon.config['check_command'] })).toMatchObject({ ok: true });
    expect(await serves(daemon)).toBe(first.fingerprint);
    const outcome = await deployed(daemon, second);
    expect(outcome).toMatchObject({ ok: true, idempotent: false, verification: { verified: true } });
    expect(outcome.steps).not.toContain('commit');
    expect(await serves(daemon)).toBe(second.fingerprint);
  });

  test('a stop that comes before the change leaves everything; one that comes later waits for the end', async () => {
    const { daemon } = await started();
    const early = new AbortController();
    const { deploy } = await import('./deploy.ts');
    const { requestFor } = await import('../../test/targets/daemon.ts');
    const stopAt = (controller: AbortController, at: string) => ({
      ...daemon.rules,
      onStep: (step: string) => step === at && controller.abort(),
    });
    const second = issued();
    const stopped = await deploy(requestFor(daemon, second), stopAt(early, 'check_staged'), early.signal);
    expect(stopped).toMatchObject({ ok: false, failureClass: 'connector', rolledBack: false });
    expect(leavings(daemon)).toEqual([]);
    const late = new AbortController();
    expect(await deploy(requestFor(daemon, second), stopAt(late, 'reload'), late.signal)).toMatchObject({ ok: true });
  });

  test("the journal and its folder are nobody else's, and hold no key", async () => {
    const { daemon } = await started();
    const second = issued();
    await apart(daemon, second, { death: { step: 'verify' } });
    const journal = join(daemon.rules.stateDir, 'journal/target-1.journal');
    expect(statSync(join(daemon.rules.stateDir, 'journal')).mode & 0o777).toBe(0o700);
    expect(statSync(journal).mode & 0o777).toBe(0o600);
    expect(readFileSync(journal, 'utf8')).not.toContain('PRIVATE KEY');
  });
});
