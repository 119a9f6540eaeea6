import type { Change } from './change.ts';
import type { Verify } from './endpoint.ts';
import { TargetFailure, failureOf, safeDetail } from './failure.ts';
import type { Journal } from './journal.ts';

import type { DeployOutcome, FailureClass, HostRules, Step, Verification } from './target.ts';
import { verifyServed, type ExpectedCertificate } from './verification.ts';

/** One change on its way, from its first step or from where a crash left it. */
export interface Run {
  readonly change: Change;
  readonly expected: ExpectedCertificate;
  readonly verify: Verify;
  readonly journal: Journal;
  readonly rules: HostRules;
}

/** An outcome before its time is taken. */
export type Ending = Omit<DeployOutcome, 'durationMs'>;

type Stage = Exclude<Step, 'settle' | 'restore' | 'reload_restored'>;
const forward: readonly Stage[] = ['stage', 'check_staged', 'commit', 'check', 'reload', 'verify'];
const classOf: Readonly<Record<Stage, FailureClass>> = {
  stage: 'write',
  check_staged: 'validate',
  commit: 'write',
  check: 'validate',
  reload: 'reload',
  verify: 'verify',
};

/** Goes through the steps from the given one; a failure takes everything back. Once `commit` begins nobody can stop it half way. */
export async function runForward(run: Run, from: Stage, signal?: AbortSignal): Promise<Ending> {
  const { change, journal, rules } = run;
  let verification: Verification | undefined;
  let step: Stage = from;
  let changed = from === 'check' || from === 'reload' || from === 'verify';
  try {
    for (step of forward.slice(forward.indexOf(from))) {
      if (step === 'stage' || step === 'check_staged' || step === 'commit') stopIf(signal);
      await enter(run, step);
      changed ||= step === 'commit';
      if (step === 'verify') verification = await verified(run);
      else await act(change, step);
    }
  } catch (error) {
    const failure = failureOf(error, classOf[step]);
    const seen = error instanceof NotServed ? error.verification : undefined;
    if (!changed) return withdraw(run, failure);
    return rollBack(run, failure, { reloaded: step === 'reload' || step === 'verify', verification: seen });
  }
  rules.onStep?.('settle');
  // Success does not depend on tidying up.
  await journal.begin('settle').catch(() => undefined);
  return settle(run, verification);
}

/** Tidies up after success and ends the journal. */
export async function settle({ change, journal, verify }: Run, verification: Verification | undefined): Promise<Ending> {
  const untidy = await change.settle().then(
    () => undefined,
    () => 'old backups could not be removed',
  );
  const backups = await change.backups();
  await journal.remove();
  const unseen = change.isServed === false ? 'not looked at over TLS: nothing serves it yet' : 'not verified: verification is off';
  const detail = [verify === 'off' ? unseen : undefined, untidy, change.note?.()].filter((text) => text !== undefined).join('; ');
  return {
    ok: true,
    idempotent: false,
    rolledBack: false,
    backupPaths: backups,
    ...(detail !== '' && { detail: safeDetail(detail) }),
    ...(verification !== undefined && { verification }),
    ...known(change),
  };
}

/** What the target calls its certificate, for an outcome. */
export function known(change: Change): { readonly reference?: string } {
  const reference = change.reference?.();
  return reference === undefined ? {} : { reference };
}

/** Nothing live has changed: what was put beside it goes away. */
export async function withdraw({ change, journal }: Run, failure: TargetFailure): Promise<Ending> {
  await change.discard().catch(() => undefined);
  await journal.remove();
  return failed(failure, { rolledBack: false, backupPaths: [] });
}

/** Brings back what was there and tells the server again where it had been told. */
export async function rollBack(
  run: Run,
  failure: TargetFailure,
  { reloaded, verification }: { readonly reloaded: boolean; readonly verification?: Verification | undefined },
): Promise<Ending> {
  const { change, journal, rules } = run;
  const seen = { ...(verification && { verification }), ...known(change) };
  rules.onStep?.('restore');
  // Without this line a restart finds the steps before it, and they lead here again.
  await journal.begin('restore', failure).catch(() => undefined);
  try {
    await change.restore();
  } catch (error) {
    if (error instanceof TargetFailure && error.failureClass === 'rollback_impossible') {
      await journal.remove();
      const why = new TargetFailure('rollback_impossible', `${failure.message}; ${error.message}`);
      return failed(why, { rolledBack: false, backupPaths: [], ...seen });
    }
    // The journal stays: the next start tries again.
    await journal.close();
    return failed(rollbackFailure(failure, error), { rolledBack: false, backupPaths: await change.backups(), ...seen });
  }
  let addendum = '';
  if (reloaded) {
    try {
      await enter(run, 'reload_restored').catch(() => undefined);
      await change.reload();
    } catch (error) {
      if (change.replaces) {
        await journal.remove();
        return failed(rollbackFailure(failure, error), { rolledBack: false, backupPaths: await change.backups(), ...seen });
      }
      addendum = '; there was nothing before, and the server cannot be reloaded without it';
    }
  }
  await change.discard().catch(() => undefined);
  await journal.remove();
  const told = addendum === '' ? failure : new TargetFailure(failure.failureClass, failure.message + addendum);
  return failed(told, { rolledBack: true, backupPaths: [], ...seen });
}

/** An outcome of a failure. */
export function failed(failure: TargetFailure, rest: Pick<Ending, 'rolledBack' | 'backupPaths'> & Partial<Ending>): Ending {
  return { ok: false, idempotent: false, failureClass: failure.failureClass, detail: safeDetail(failure.message), ...rest };
}

class NotServed extends TargetFailure {
  readonly verification: Verification;
  constructor(reason: string, verification: Verification) {
    super('verify', reason);
    this.verification = verification;
  }
}

async function verified({ verify, expected }: Run): Promise<Verification | undefined> {
  if (verify === 'off') return undefined;
  const { reason, ...verification } = await verifyServed(verify, expected);
  if (!verification.verified) throw new NotServed(reason ?? 'not verified', verification);
  return verification;
}

async function enter({ rules, journal }: Run, step: Step): Promise<void> {
  rules.onStep?.(step);
  // After the commit a full disk must not stop what the server has to be told; a restart concludes the rest from the files.
  const written = journal.begin(step);
  await (step === 'stage' || step === 'check_staged' || step === 'commit' ? written : written.catch(() => undefined));
}

function act(change: Change, step: Exclude<Stage, 'verify'>): Promise<void> {
  switch (step) {
    case 'stage':
      return change.stage();
    case 'check_staged':
      return change.checkStaged();
    case 'commit':
      return change.commit();
    case 'check':
      return change.check();
    case 'reload':
      return change.reload();
  }
}

function stopIf(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new TargetFailure('connector', 'stopped before anything was changed');
}

function rollbackFailure(first: TargetFailure, second: unknown): TargetFailure {
  const { message } = failureOf(second, 'rollback_failed');
  return new TargetFailure('rollback_failed', `${first.message}; then rolling back failed: ${message}`);
}
