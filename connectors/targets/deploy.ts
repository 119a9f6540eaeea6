import { assertAllowed } from './allowance.ts';
import { parseConfig } from './config.ts';
import { TargetFailure, failureOf } from './failure.ts';
import { createJournal, readJournal, removeJournal } from './journal.ts';
import { exclusively } from './lock.ts';
import { readMaterial } from './material.ts';
import { targetOf } from './registry.ts';
import { resumeEntry } from './resume.ts';
import { failed, known, runForward, type Ending } from './run.ts';
import type { DeployOutcome, DeployRequest, HostRules } from './target.ts';
import { alreadyServed } from './verification.ts';

/**
 * Puts a certificate and its key where a server reads them, tells the server, looks at what it serves, and takes everything back when a step
 * fails. Never throws: the outcome says what happened. A signal stops it only while nothing has changed.
 */
export async function deploy(request: DeployRequest, rules: HostRules, signal?: AbortSignal): Promise<DeployOutcome> {
  const started = performance.now();
  const ending = await attempt(request, rules, signal).catch((error: unknown) =>
    failed(failureOf(error, 'connector'), { rolledBack: false, backupPaths: [] }),
  );
  return { ...ending, durationMs: Math.round(performance.now() - started) };
}

async function attempt(request: DeployRequest, rules: HostRules, signal?: AbortSignal): Promise<Ending> {
  const target = targetOf(request.targetType);
  const config = parseConfig(target.config, request.config);
  const now = rules.now === undefined ? new Date() : rules.now();
  const material = readMaterial(request.leafPem, request.chainPem, request.privateKeyPem, now);
  await assertAllowed(target.demands(config), rules);
  return exclusively([`target ${request.targetId}`, ...target.demands(config).paths], async () => {
    await concludeEarlier(request.targetId, rules);
    const { certificateId, versionId, targetId, targetType, reference } = request;
    const change = await target.begin(config, material, rules, { targetId, certificateId, reference });
    const verify = change.isServed === false ? 'off' : target.verify(config);
    const { fingerprint, chainFingerprints, keyType } = material;
    const expected = { fingerprint, chainFingerprints: [...chainFingerprints], keyType };
    const holds = await change.holds();
    if (holds) {
      const served = await alreadyServed(verify, expected);
      if (served !== undefined) {
        const ending = {
          ok: true,
          idempotent: true,
          rolledBack: false,
          backupPaths: [],
          ...(served !== 'off' && { verification: served }),
        };
        const note = change.note?.();
        return { ...ending, ...(note !== undefined && { detail: note }), ...known(change) };
      }
    }
    const head = { certificateId, versionId, targetId, targetType, config: request.config, expected, record: change.record };
    const journal = await createJournal(rules.stateDir, head);
    // In place already, but the server shows another: it was never told.
    return runForward({ change, expected, verify, journal, rules }, holds ? 'check' : 'stage', signal);
  });
}

async function concludeEarlier(targetId: string, rules: HostRules): Promise<void> {
  const entry = await readJournal(rules.stateDir, targetId);
  if (entry === undefined) return removeJournal(rules.stateDir, targetId);
  const { failureClass, detail } = await resumeEntry(entry, rules);
  if (failureClass === 'rollback_failed')
    throw new TargetFailure('rollback_failed', `an earlier deployment is not concluded: ${detail ?? ''}`);
}
