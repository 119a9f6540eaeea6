import { pickUpCertificate, submitAgentCsr, type JobReport, type WorkItemBody } from '#contract/agent-protocol.ts';
import { deploy } from '#connectors/targets/deploy.ts';
import { inspectTarget } from '#connectors/targets/inspect.ts';
import type { HostRules } from '#connectors/targets/target.ts';
import { makeCsr } from '#domain/agent/make-csr.ts';
import { toPem } from '#domain/x509/pem.ts';
import { ApiProblem } from '../http/problem.ts';
import type { KeyStore } from './key-store.ts';
import type { PlatformConnection } from './platform.ts';

export interface PerformPorts {
  readonly agentId: string;
  readonly platform: PlatformConnection;
  readonly keys: KeyStore;
  readonly rules: HostRules;
}

type Csr = Extract<WorkItemBody, { type: 'csr' }>;
type Deployment = Extract<WorkItemBody, { type: 'deployment' }>;
type Look = Extract<WorkItemBody, { type: 'inspection' }>;

/**
 * Does one job. Whatever it did, doing it once more does no harm.
 *
 * @returns what the platform is to hear; undefined when there is nothing to say
 * @throws {ApiProblem} when the platform cannot be reached or is not well: the job is to be done again
 */
export function perform(ports: PerformPorts, item: WorkItemBody, signal: AbortSignal): Promise<JobReport | undefined> {
  if (item.type === 'inspection') return look(ports, item);
  return item.type === 'csr' ? certify(ports, item) : put(ports, item, signal);
}

async function look(
  { rules }: PerformPorts,
  { lease_token, target_type, config, key_type, reference, expected }: Look,
): Promise<JobReport> {
  const { ready, failureClass, detail, observation } = await inspectTarget(target_type, config, rules, {
    keyType: key_type ?? undefined,
    reference,
    expected,
  });
  return {
    lease_token,
    ok: ready,
    failure_class: failureClass ?? null,
    detail: detail?.slice(0, 1000) ?? null,
    observation:
      'fingerprint' in observation
        ? {
            source: observation.source,
            fingerprint: observation.fingerprint,
            serial: observation.serial ?? null,
            not_after: observation.notAfter?.toISOString() ?? null,
          }
        : { source: observation.source },
  };
}

async function certify({ agentId, platform, keys }: PerformPorts, item: Csr): Promise<JobReport | undefined> {
  const { certificate_id, job_id, lease_token } = item;
  let der: Buffer;
  try {
    const key = await keys.keyFor(certificate_id, job_id, item.key_algorithm);
    const order = { commonName: item.common_name ?? undefined, names: item.sans, mustStaple: item.must_staple };
    der = await keys.csrFor(certificate_id, job_id, () => makeCsr(key, order));
  } catch (error) {
    return {
      lease_token,
      ok: false,
      failure_class: 'write',
      detail: `no key or CSR could be made: ${(error as Error).message}`.slice(0, 500),
    };
  }
  try {
    const csr = toPem('CERTIFICATE REQUEST', der);
    await platform.call(submitAgentCsr, { params: { id: agentId, job_id }, body: { lease_token, csr } });
  } catch (error) {
    if (!(error instanceof ApiProblem) || ![404, 409, 422].includes(error.status)) throw error;
    // Refused, or nobody waits for it any more: a key that nobody has certified.
    await keys.discard(certificate_id, job_id);
    if (error.status === 422) return { lease_token, ok: false, failure_class: 'validate', detail: error.message.slice(0, 500) };
  }
  return undefined;
}

async function put(
  { agentId, platform, keys, rules }: PerformPorts,
  item: Deployment,
  signal: AbortSignal,
): Promise<JobReport | undefined> {
  const { certificate_id, version_id, target_id, target_type, lease_token, config, reference } = item;
  const picked = await platform.call(pickUpCertificate, { params: { id: agentId, version_id } });
  const privateKeyPem = await keys.keyOf(certificate_id, picked.leaf_pem);
  if (privateKeyPem === undefined)
    return { lease_token, ok: false, failure_class: 'key_mismatch', detail: 'this host has no key for the certificate' };
  const outcome = await deploy(
    {
      certificateId: certificate_id,
      versionId: version_id,
      targetId: target_id,
      targetType: target_type,
      config,
      leafPem: picked.leaf_pem,
      chainPem: picked.chain_pem,
      privateKeyPem,
      reference: reference ?? undefined,
    },
    rules,
    signal,
  );
  if (outcome.ok) await keys.promote(certificate_id, picked.leaf_pem);
  return {
    lease_token,
    ok: outcome.ok,
    idempotent: outcome.idempotent,
    rolled_back: outcome.rolledBack,
    failure_class: outcome.failureClass ?? null,
    detail: outcome.detail?.slice(0, 1000) ?? null,
    backup_paths: outcome.backupPaths.slice(0, 20),
    duration_ms: outcome.durationMs,
    observed_fingerprint: outcome.verification?.actualFingerprint ?? null,
    ...(outcome.reference !== undefined && { reference: outcome.reference }),
  };
}
