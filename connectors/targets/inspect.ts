import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { assertAllowed } from './allowance.ts';
import { parseConfig } from './config.ts';
import { TargetFailure, failureOf, reasonOf, safeDetail } from './failure.ts';
import { targetOf } from './registry.ts';
import { servedCertificate } from './served-certificate.ts';
import type { FailureClass, HostRules } from './target.ts';

/** Whether a target could be deployed to. */
export interface TargetTest {
  readonly ok: boolean;
  readonly failureClass?: FailureClass;
  readonly detail?: string;
  /** What the server serves now; absent when nobody looks or nothing answers yet. */
  readonly observedFingerprint?: string;
}

/** Tries what a deployment would need, configuration, paths, commands, connection, and changes nothing. Never throws. */
export async function testTarget(targetType: string, config: unknown, rules: HostRules): Promise<TargetTest> {
  try {
    const target = targetOf(targetType);
    const parsed = parseConfig(target.config, config);
    await assertAllowed(target.demands(parsed), rules);
    for (const path of target.demands(parsed).paths) await assertWritable(dirname(path));
    await target.probe?.(parsed, rules);
    const verify = target.verify(parsed);
    if (verify === 'off') return { ok: true };
    // Before the first deployment there may be nothing that answers; that hinders none.
    const served = await servedCertificate(verify).catch((error: unknown) => safeDetail(reasonOf(error)));
    return typeof served === 'string' ? { ok: true, detail: served } : { ok: true, observedFingerprint: served.fingerprint };
  } catch (error) {
    const failure = failureOf(error, 'connector');
    return { ok: false, failureClass: failure.failureClass, detail: safeDetail(failure.message) };
  }
}

async function assertWritable(folder: string): Promise<void> {
  await access(folder, constants.W_OK | constants.X_OK).catch((cause: unknown) => {
    throw new TargetFailure('write', `${folder} cannot be written: ${reasonOf(cause)}`, { cause });
  });
}

/** Which certificate a target has: as served over TLS where the configuration names an endpoint, else as stored. */
export type Observation =
  { readonly source: 'served' | 'stored'; readonly fingerprint: string } | { readonly source: 'none'; readonly detail: string };

/** Looks at a target without touching it, to find drift. Never throws; fingerprints are lower-case hex of SHA-256 over the leaf's DER. */
export async function observedFingerprint(targetType: string, config: unknown, rules: HostRules): Promise<Observation> {
  try {
    const target = targetOf(targetType);
    const parsed = parseConfig(target.config, config);
    const verify = target.verify(parsed);
    if (verify !== 'off') return { source: 'served', fingerprint: (await servedCertificate(verify)).fingerprint };
    await assertAllowed(target.demands(parsed), rules);
    const stored = await target.stored?.(parsed, rules);
    return stored === undefined ? { source: 'none', detail: 'no certificate is stored' } : { source: 'stored', fingerprint: stored };
  } catch (error) {
    return { source: 'none', detail: safeDetail(reasonOf(error)) };
  }
}
