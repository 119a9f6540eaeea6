import { assertAllowed } from './allowance.ts';
import { parseConfig } from './config.ts';
import { TargetFailure, failureOf, reasonOf } from './failure.ts';
import { journalledTargets, readJournal, removeJournal, reopenJournal, type JournalEntry } from './journal.ts';
import { exclusively } from './lock.ts';
import { targetOf } from './registry.ts';
import { failed, rollBack, runForward, settle, withdraw, type Ending, type Run } from './run.ts';
import type { HostRules, ResumedOutcome } from './target.ts';
import { removeWork } from './work-folder.ts';

/**
 * Concludes every deployment that a crash interrupted: nothing changed yet → its leavings are removed; everything in place → the server is
 * told and looked at; anything between → what was there comes back. To be called at start, before the first {@link deploy}. Never throws.
 */
export async function resumeInterrupted(rules: HostRules): Promise<ResumedOutcome[]> {
  await removeWork(rules).catch(() => undefined);
  const outcomes: ResumedOutcome[] = [];
  for (const targetId of await journalledTargets(rules.stateDir)) {
    const started = performance.now();
    const outcome = await exclusively([`target ${targetId}`], () => resumeTarget(targetId, rules));
    if (outcome !== undefined) outcomes.push({ ...outcome, durationMs: Math.round(performance.now() - started) });
  }
  return outcomes;
}

async function resumeTarget(targetId: string, rules: HostRules): Promise<Omit<ResumedOutcome, 'durationMs'> | undefined> {
  try {
    const entry = await readJournal(rules.stateDir, targetId);
    if (entry === undefined) {
      await removeJournal(rules.stateDir, targetId);
      return undefined;
    }
    const { certificateId, versionId } = entry.head;
    return { ...(await resumeEntry(entry, rules)), certificateId, versionId, targetId };
  } catch (error) {
    const ending = failed(failureOf(error, 'rollback_failed'), { rolledBack: false, backupPaths: [] });
    return { ...ending, certificateId: '', versionId: '', targetId };
  }
}

/** Concludes one interrupted deployment; its locks are the caller's. */
export async function resumeEntry(entry: JournalEntry, rules: HostRules): Promise<Ending> {
  const { head, step } = entry;
  try {
    const target = targetOf(head.targetType);
    const config = parseConfig(target.config, head.config);
    await assertAllowed(target.demands(config), rules);
    const change = await target.resume(config, head.record, rules);
    const journal = await reopenJournal(rules.stateDir, head.targetId);
    const verify = change.isServed === false ? 'off' : target.verify(config);
    const run: Run = { change, expected: head.expected, verify, journal, rules };
    const interrupted = new TargetFailure('connector', 'the host stopped in the middle; what was there before is there again');
    if (step === 'settle') return await settle(run, undefined);
    if (step === 'stage' || step === 'check_staged')
      return await withdraw(run, new TargetFailure('connector', 'the host stopped before anything was changed'));
    if (step === 'restore' || step === 'reload_restored') {
      const failure = entry.failure === undefined ? interrupted : new TargetFailure(entry.failure.failureClass, entry.failure.message);
      return await rollBack(run, failure, { reloaded: true });
    }
    if (await change.holds()) return await runForward(run, 'check');
    return await rollBack(run, interrupted, { reloaded: step !== 'commit' });
  } catch (error) {
    // Whatever stood in the way, what the crash left is still there.
    const failure = new TargetFailure('rollback_failed', `an interrupted deployment cannot be concluded: ${reasonOf(error)}`, {
      cause: error,
    });
    return failed(failure, { rolledBack: false, backupPaths: [] });
  }
}
