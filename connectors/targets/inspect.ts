import { X509Certificate } from 'node:crypto';
import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Observation } from '#domain/agent/inspection.ts';
import { assertAllowed, linkedFile } from './allowance.ts';
import { parseConfig } from './config.ts';
import { TargetFailure, failureOf, reasonOf, safeDetail } from './failure.ts';
import { look, prevailing, silence } from './look.ts';
import { targetOf } from './registry.ts';
import type { FailureClass, HostRules } from './target.ts';

/** What is known of the certificate that ought to be at a target. */
export interface Known {
  /** `rsa`, `ec` or `ed25519`: of the certificate to look for, where a server has several. */
  readonly keyType?: string | undefined;
  /** What the target calls its certificate. */
  readonly reference?: string | undefined;
  /** SHA-256 in hex of those that may be there; matters where a pool serves several. */
  readonly expected?: readonly string[] | undefined;
}

/** What was found at a target. */
export interface Inspection {
  /** A deployment would come as far as its first write. */
  readonly ready: boolean;
  readonly failureClass?: FailureClass;
  readonly observation: Observation;
  /** For people: why it is not ready, or else why nothing was seen; at most 2000 characters, without secrets. */
  readonly detail?: string;
}

/**
 * Tries what a deployment would need, configuration, paths, commands, connection, looks at what the target has now, and changes nothing. Never throws.
 */
export async function inspectTarget(targetType: string, config: unknown, rules: HostRules, known: Known = {}): Promise<Inspection> {
  const failure = await obstacle(targetType, config, rules, known.reference);
  const { observation, detail } = await observeTarget(targetType, config, rules, known);
  if (failure === undefined) return { ready: true, observation, ...(detail !== undefined && { detail }) };
  return { ready: false, failureClass: failure.failureClass, detail: safeDetail(failure.message), observation };
}

async function obstacle(targetType: string, config: unknown, rules: HostRules, reference?: string): Promise<TargetFailure | undefined> {
  try {
    const target = targetOf(targetType);
    const parsed = parseConfig(target.config, config);
    const demands = target.demands(parsed);
    await assertAllowed(demands, rules);
    for (const path of demands.paths) await assertWritable(dirname(demands.followLinks === true ? await linkedFile(path) : path));
    await target.probe?.(parsed, rules, reference);
    return undefined;
  } catch (error) {
    return failureOf(error, 'connector');
  }
}

async function assertWritable(folder: string): Promise<void> {
  await access(folder, constants.W_OK | constants.X_OK).catch((cause: unknown) => {
    throw new TargetFailure('write', `${folder} cannot be written: ${reasonOf(cause)}`, { cause });
  });
}

/** Which certificate a target has: as served over TLS where the configuration names an endpoint, else as stored. Never throws. */
export async function observeTarget(
  targetType: string,
  config: unknown,
  rules: HostRules,
  { keyType, reference, expected = [] }: Known = {},
): Promise<{ readonly observation: Observation; readonly detail?: string }> {
  try {
    const target = targetOf(targetType);
    const parsed = parseConfig(target.config, config);
    const verify = target.verify(parsed);
    if (verify !== 'off') {
      const looked = await look(verify, keyType);
      const served = prevailing(verify, looked, expected);
      if (served === undefined) throw silence(looked);
      return { observation: { source: 'served', fingerprint: served.fingerprint, ...factsOf(served.leaf) } };
    }
    await assertAllowed(target.demands(parsed), rules);
    const fingerprint = await target.stored?.(parsed, rules, reference);
    return fingerprint === undefined
      ? { observation: { source: 'empty' }, detail: 'no certificate is stored' }
      : { observation: { source: 'stored', fingerprint, serial: undefined, notAfter: undefined } };
  } catch (error) {
    return { observation: { source: 'none' }, detail: safeDetail(reasonOf(error)) };
  }
}

/** A server may serve what OpenSSL takes and this parser does not: the fingerprint stands all the same. */
function factsOf(leaf: Uint8Array): { readonly serial: string | undefined; readonly notAfter: Date | undefined } {
  try {
    const { serialNumber, validToDate } = new X509Certificate(leaf);
    const notAfter = Number.isNaN(validToDate.getTime()) ? undefined : validToDate;
    return { serial: serialNumber.toLowerCase().replace(/^0+(?=.)/, ''), notAfter };
  } catch {
    return { serial: undefined, notAfter: undefined };
  }
}
