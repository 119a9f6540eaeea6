import { connectorAgentId } from '#domain/agent/connector.ts';
import type { ClaimedJob } from '#domain/job/job.ts';
import type { Database, Session } from './database.ts';
import { held } from './jobs.ts';

/** Private keys that the connector made, as their seals. */
export interface SealedKeys {
  /** The seal, and the CSR of its key in the job's payload, in one commit. False: the lease is lost. @param csr DER */
  keep(
    job: ClaimedJob,
    key: { readonly id: string; readonly sealed: Uint8Array; readonly spkiSha256: Uint8Array; readonly csr: Uint8Array },
  ): Promise<boolean>;
  /** Destroys the seals that no deployment will ask for any more, however they came to be left. @returns how many */
  sweep(): Promise<number>;
  /** When the next of them may be destroyed. */
  nextDue(): Promise<Date | undefined>;
}

const keep = {
  name: 'sealed-key-keep',
  text: `WITH h AS (SELECT id, subject_id FROM jobs WHERE ${held} FOR UPDATE),
    k AS (INSERT INTO sealed_keys (id, holder_id, job_id, spki_sha256, sealed) SELECT $3, h.subject_id, h.id, $4, $5 FROM h),
    u AS (UPDATE jobs SET payload = payload || jsonb_build_object('csr', replace(encode($6::bytea, 'base64'), E'\\n', '')) FROM h WHERE jobs.id = h.id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:worker', 'System', 'key_sealed', 'job', h.id, jsonb_build_object('key', $3::text, 'holder', h.subject_id), 'cert_lifecycle' FROM h)
  SELECT id FROM h`,
};
/** @param which SQL over `k` (sealed_keys) */
const destroy = (which: string): string => `WITH d AS (
      UPDATE sealed_keys k SET sealed = NULL, destroyed_at = now() WHERE k.sealed IS NOT NULL AND ${which} RETURNING k.id, k.holder_id)
  INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
  SELECT 'system:worker', 'System', 'key_destroyed', 'certificate_holder', holder_id, jsonb_build_object('key', id), 'cert_lifecycle' FROM d RETURNING id`;
const liveTargets = `certificate_targets c JOIN targets t ON t.id = c.target_id AND t.agent_id = '${connectorAgentId}' AND t.retired_at IS NULL`;
// What is in place everywhere needs its key no more, unless a target wants to roll back to it; what was before it never does.
const needless = `EXISTS (
      SELECT FROM certificate_holders h JOIN certificates v ON v.id = h.current_id
      WHERE h.id = k.holder_id AND (v.spki_sha256 = k.spki_sha256 OR v.created_at > k.made_at)
        AND EXISTS (SELECT FROM ${liveTargets} WHERE c.certificate_id = h.certificate_id AND c.deployed_id = h.current_id)
        AND NOT EXISTS (SELECT FROM ${liveTargets} WHERE c.certificate_id = h.certificate_id AND t.enabled AND c.deployed_id IS DISTINCT FROM h.current_id)
        AND (v.spki_sha256 <> k.spki_sha256
             OR NOT EXISTS (SELECT FROM ${liveTargets} WHERE c.certificate_id = h.certificate_id AND t.config ->> 'keep_previous_key' = 'true')))`;
const ofJob = `k.holder_id IN (SELECT h.id FROM jobs j JOIN deployments d ON d.id = j.subject_id
      JOIN certificate_holders h ON h.certificate_id = d.certificate_id AND h.agent_id = d.agent_id WHERE j.id = $1)`;
const verified = { name: 'sealed-key-verified', text: destroy(`${ofJob} AND ${needless}`) };
// A certificate that has ended, a share without targets, a version that has expired, and a job that came to nothing.
const unwanted = `NOT EXISTS (
      SELECT FROM certificate_holders h JOIN managed_certificates m ON m.id = h.certificate_id AND m.state IN ('pending', 'active', 'held')
      WHERE h.id = k.holder_id AND EXISTS (SELECT FROM ${liveTargets} WHERE c.certificate_id = m.id)
        AND (EXISTS (SELECT FROM certificates v WHERE v.spki_sha256 = k.spki_sha256 AND v.not_after > now())
             OR EXISTS (SELECT FROM jobs j WHERE j.id = k.job_id AND (j.status IN ('pending', 'awaiting_csr', 'awaiting_approval', 'running') OR j.retryable))))`;
const sweep = { name: 'sealed-key-sweep', text: destroy(`(${needless} OR ${unwanted})`) };
const nextDue = {
  name: 'sealed-key-next',
  text: `SELECT min(v.not_after) AS next_due FROM sealed_keys k JOIN certificates v ON v.spki_sha256 = k.spki_sha256 WHERE k.sealed IS NOT NULL`,
};

export function sealedKeys(database: Database): SealedKeys {
  return {
    async keep(job, { id, sealed, spkiSha256, csr }) {
      return (await database.query(keep, [job.id, job.leaseToken, id, spkiSha256, sealed, csr])).length === 1;
    },
    async sweep() {
      return (await database.query(sweep, [])).length;
    },
    async nextDue() {
      return (await database.query<{ next_due: Date | null }>(nextDue, []))[0]?.next_due ?? undefined;
    },
  };
}

/**
 * Destroys what a deployment needed that has just been verified, in the transaction that took the report. Who calls holds the share's row: of two reports the later one
 * sees what the other wrote.
 */
export async function destroyVerifiedKeys(session: Session, jobId: string): Promise<void> {
  await session.query(verified, [jobId]);
}
