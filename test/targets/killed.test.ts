import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { resumeInterrupted } from '#connectors/targets/resume.ts';
import type { Subject } from './cases.ts';
import { deployed, serves, type Daemon } from './daemon.ts';
import { apart, type Death } from './interrupted.ts';
import { issued } from './issued.ts';
import { startStandIn } from './stand-in.ts';

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

const pairOf = ({ certFiles, keyFiles }: Daemon): tls.SecureContext =>
  tls.createSecureContext({ cert: readFileSync(certFiles[0] ?? keyFiles[0] ?? ''), key: readFileSync(keyFiles[0] ?? '') });
const leavings = ({ home }: Daemon): string[] => readdirSync(join(home, 'tls')).filter((name) => name.includes('certctl-tmp'));
const journals = ({ rules }: Daemon): string[] => readdirSync(join(rules.stateDir, 'journal'));

describe('killed without warning', () => {
  const forward: readonly (readonly [Death, 'first' | 'second'])[] = [
    [{ step: 'stage' }, 'first'],
    [{ step: 'check_staged' }, 'first'],
    [{ step: 'commit' }, 'first'],
    [{ step: 'commit', index: 0 }, 'first'],
    [{ step: 'commit', index: 1 }, 'first'],
    [{ step: 'check' }, 'second'],
    [{ step: 'reload' }, 'second'],
    [{ step: 'verify' }, 'second'],
    [{ step: 'settle' }, 'second'],
  ];

  test.each(forward)('at %j the next start ends with the %s pair, served, and nothing left over', async (death, winner) => {
    const { daemon } = await started();
    const second = issued();
    expect(await apart(daemon, second, { death })).toMatchObject({ signal: 'SIGKILL' });
    expect([first.fingerprint, second.fingerprint]).toContain(await serves(daemon));
    const outcomes = await resumeInterrupted(daemon.rules);
    expect(outcomes).toMatchObject([{ ok: winner === 'second', targetId: 'target-1', certificateId: 'certificate-1' }]);
    expect(await serves(daemon)).toBe((winner === 'second' ? second : first).fingerprint);
    pairOf(daemon);
    expect(leavings(daemon)).toEqual([]);
    expect(journals(daemon)).toEqual([]);
    expect(await deployed(daemon, second)).toMatchObject({ ok: true, idempotent: winner === 'second' });
  });

  const backward: readonly Death[] = [{ step: 'restore', index: 1 }, { step: 'restore', index: 0 }, { step: 'reload_restored' }];

  test.each(backward)('while rolling back, at %j, the next start brings the old pair back', async (death) => {
    const { daemon, failingReload } = await started();
    const overrides = { reload_command: failingReload(1) };
    expect(await apart(daemon, issued(), { death, overrides })).toMatchObject({ signal: 'SIGKILL' });
    expect(await resumeInterrupted(daemon.rules)).toMatchObject([{ ok: false, rolledBack: true, failureClass: 'reload' }]);
    expect(await serves(daemon)).toBe(first.fingerprint);
    pairOf(daemon);
    expect(leavings(daemon)).toEqual([]);
  });

  test('before it has begun to roll back, the next start goes forward once more', async () => {
    const { daemon, failingReload } = await started();
    const second = issued();
    const overrides = { reload_command: failingReload(1) };
    expect(await apart(daemon, second, { death: { step: 'restore' }, overrides })).toMatchObject({ signal: 'SIGKILL' });
    expect(await resumeInterrupted(daemon.rules)).toMatchObject([{ ok: true }]);
    expect(await serves(daemon)).toBe(second.fingerprint);
  });

  test('and killed again while it resumes, it resumes once more', async () => {
    const { daemon } = await started();
    expect(await apart(daemon, issued(), { death: { step: 'commit', index: 1 } })).toMatchObject({ signal: 'SIGKILL' });
    expect(await apart(daemon, undefined, { death: { step: 'restore', index: 1 } })).toMatchObject({ signal: 'SIGKILL' });
    expect(await resumeInterrupted(daemon.rules)).toMatchObject([{ ok: false, rolledBack: true }]);
    pairOf(daemon);
    expect(await serves(daemon)).toBe(first.fingerprint);
  });

  test('with certificate and key in one file there is a pair in place at every instant', async () => {
    const { daemon } = await started('one file');
    for (const [death] of forward.filter(([{ index }]) => index !== 1)) {
      await apart(daemon, issued(), { death });
      pairOf(daemon);
      await resumeInterrupted(daemon.rules);
      pairOf(daemon);
    }
  });

  test('the next deployment concludes what nobody resumed', async () => {
    const { daemon } = await started();
    const third = issued();
    expect(await apart(daemon, issued(), { death: { step: 'commit', index: 1 } })).toMatchObject({ signal: 'SIGKILL' });
    expect(await deployed(daemon, third)).toMatchObject({ ok: true });
    expect(await serves(daemon)).toBe(third.fingerprint);
    expect(journals(daemon)).toEqual([]);
  });

  test('a journal whose first line was never finished stands for nothing', async () => {
    const { daemon } = await started();
    writeFileSync(join(daemon.rules.stateDir, 'journal/target-1.journal'), '{"certificateId":"x","versi');
    expect(await resumeInterrupted(daemon.rules)).toEqual([]);
    expect(await deployed(daemon, first)).toMatchObject({ ok: true, idempotent: true });
  });
});
