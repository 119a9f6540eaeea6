import { createHash } from 'node:crypto';
import type { ClaimedJob } from '#domain/job/job.ts';
import type { Managed, ManagedIssuanceStore, NewVersion } from '#domain/lifecycle/managed-issuance.ts';
import type { Database } from './database.ts';
import { deployToHolder } from './deployments.ts';
import { noLeaves } from './authority-source.ts';
import { held } from './jobs.ts';
import { notifyFrom } from './notify.ts';
import { profileColumns, profileOf, type ProfileRow } from './profiles.ts';
import { hasTargetOf } from './target-of-share.ts';

/** The certificate that a job is about: its subject, or that of the agent's share which its subject is. */
const certificateOf = (job: string): string =>
  `coalesce((SELECT s.certificate_id FROM certificate_holders s WHERE s.id = ${job}.subject_id), ${job}.subject_id)`;
const loadManaged = {
  name: 'managed-load',
  text: `SELECT m.id AS managed_id, m.name AS managed_name, m.state, m.common_name, m.key_algorithm, m.sans, m.issuer_id, i.type AS issuer_type, i.enabled AS issuer_enabled, i.config, i.issuing_ca_id,
      coalesce(decode(j.payload ->> 'csr', 'base64'), m.csr) AS csr, j.payload ->> 'csr' IS NULL AS csr_kept,
      r.renewal_window_days, r.retry_interval_seconds, r.alert_thresholds_days,
      ARRAY(SELECT rule_name FROM policy_findings f WHERE f.certificate_id = m.id AND f.enforcement = 'block' ORDER BY rule_name) AS broken_rules, p.*
    FROM jobs j JOIN managed_certificates m ON m.id = ${certificateOf('j')} JOIN issuers i ON i.id = m.issuer_id JOIN renewal_policies r ON r.id = m.policy_id,
      LATERAL (SELECT ${profileColumns} FROM profiles WHERE profiles.id = m.profile_id) p
    WHERE j.id = $1 AND j.lease_token = $2 AND j.status = 'running'`,
};
const reserve = {
  name: 'managed-reserve',
  text: `WITH h AS (SELECT id FROM jobs WHERE ${held} FOR UPDATE),
    e AS (SELECT s.ca_id, s.serial, s.tbs FROM signing_log s, h WHERE s.idempotency_key = h.id),
    s AS (INSERT INTO signing_log (idempotency_key, ca_id, serial, tbs) SELECT h.id, $3, $4, $5 FROM h
          WHERE NOT EXISTS (SELECT FROM e) AND EXISTS (SELECT FROM certificate_authorities WHERE id = $3 AND signs_leaves))
  SELECT h.id, e.ca_id, e.serial, e.tbs, (SELECT signs_leaves FROM certificate_authorities WHERE id = $3) AS signs_leaves
  FROM h LEFT JOIN e ON true`,
};
const version = (orphan: boolean, from: string, managedId: string): string => `
      INSERT INTO certificates (id, ca_id, serial, fingerprint, spki_sha256, certificate, common_name, sans, profile_id, source, not_before, not_after,
                                managed_id, issuer_id, chain, vendor_ref, orphan, agent_id, crl_shard)
      SELECT $3, $4, $5, $6, $7, $8, $9, $10, ${from}.profile_id, CASE WHEN ${from}.agent_id IS NULL THEN 'API' ELSE 'Agent' END, $11, $12, ${managedId}, $13, $14, $15, ${orphan}, ${from}.agent_id, $18
      FROM ${from}`;
const aboutVersion = {
  subject: 'f.id',
  dedupe: 'f.job',
  data: `jsonb_build_object('certificate', f.id, 'name', f.name, 'serial', $5::text, 'not_after', $12::timestamptz)`,
};
const completeManaged = {
  name: 'managed-complete',
  text: `WITH h AS (SELECT id, type, subject_id, agent_id FROM jobs WHERE ${held} FOR UPDATE),
    m AS (SELECT c.id, c.name, c.profile_id, c.state, h.agent_id, (SELECT s.current_id FROM certificate_holders s WHERE s.id = h.subject_id) AS held_id
          FROM managed_certificates c JOIN h ON ${certificateOf('h')} = c.id FOR UPDATE OF c),
    v AS (${version(false, 'm', 'm.id')} RETURNING id),
    -- of the other agents that still have a target of it
    o AS (SELECT min(s.not_after) AS not_after FROM h, m, certificate_holders s WHERE s.certificate_id = m.id AND s.id <> h.subject_id
            AND ${hasTargetOf('s')}),
    u AS (UPDATE managed_certificates SET current_id = v.id, not_before = $11, last_error = NULL, urgent_since = NULL, updated_at = now(),
            -- who handed in another than the one that was kept means it to be kept
            csr = CASE WHEN csr IS NOT NULL THEN coalesce((SELECT decode(payload ->> 'csr', 'base64') FROM jobs WHERE jobs.id = $1), csr) END,
            not_after = least($12, o.not_after),
            state = CASE WHEN m.state = 'pending' THEN 'active' ELSE m.state END,
            renew_at = CASE WHEN m.agent_id IS NULL AND m.state IN ('pending', 'active') AND (SELECT auto_renew FROM renewal_policies r WHERE r.id = policy_id) THEN $16::timestamptz END,
            alert_at = CASE WHEN m.state IN ('pending', 'active') THEN CASE WHEN o.not_after < $12
              THEN least(alert_at, (SELECT min(o.not_after - make_interval(days => days)) FROM renewal_policies r, unnest(r.alert_thresholds_days) days
                                    WHERE r.id = policy_id AND o.not_after - make_interval(days => days) > now()))
              ELSE $17::timestamptz END END
          FROM m, v, o WHERE managed_certificates.id = m.id),
    p AS (UPDATE certificate_holders SET current_id = v.id, not_after = $12, last_error = NULL, urgent_since = NULL,
            renew_at = CASE WHEN m.state IN ('pending', 'active')
                             AND (SELECT auto_renew FROM managed_certificates o JOIN renewal_policies r ON r.id = o.policy_id WHERE o.id = m.id) THEN $16::timestamptz END
          FROM h, m, v WHERE certificate_holders.id = h.subject_id),
    s AS (UPDATE signing_log SET certificate_id = v.id FROM v, h WHERE idempotency_key = h.id),
    j AS (UPDATE jobs SET status = 'completed', completed_at = now(), state_entered_at = now(), lease_token = NULL, lease_expires_at = NULL, last_error = NULL
          FROM h, v WHERE jobs.id = h.id RETURNING jobs.id, jobs.type),
    f AS (SELECT m.id, m.name, j.id AS job, CASE WHEN j.type = 'renewal' OR m.held_id IS NOT NULL THEN 'renewal' ELSE 'issuance' END AS type,
            v.id AS version, m.agent_id FROM m, j, v),
    ni AS (${notifyFrom('f', 'certificate.issued', { ...aboutVersion, where: `f.type = 'issuance'` })}),
    nr AS (${notifyFrom('f', 'certificate.renewed', { ...aboutVersion, where: `f.type = 'renewal'` })}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:worker', 'System', CASE f.type WHEN 'renewal' THEN 'certificate_renewed' ELSE 'certificate_issued' END, 'managed_certificate', f.id,
                 jsonb_build_object('version', f.version, 'serial', $5::text, 'job', f.job, 'agent', f.agent_id), 'cert_lifecycle' FROM f)
  SELECT id AS certificate_id, type = 'renewal' AS renewed FROM f`,
};
const orphan = {
  name: 'managed-orphan',
  text: `WITH m AS (SELECT c.id, c.profile_id, j.agent_id FROM jobs j JOIN managed_certificates c ON c.id = ${certificateOf('j')} WHERE j.id = $1),
    v AS (${version(true, 'm', 'm.id')} ON CONFLICT DO NOTHING RETURNING id)
  INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
  SELECT 'system:worker', 'System', 'certificate_orphaned', 'certificate', v.id,
         jsonb_build_object('job', $1::text, 'serial', $5::text, 'lost_lease', $2::text, 'renew_at', $16::timestamptz, 'alert_at', $17::timestamptz), 'cert_lifecycle'
  FROM v`,
};
const isBlocked = { name: 'managed-key-blocked', text: `SELECT FROM blocked_keys WHERE spki_sha256 = sha256($1::bytea)` };
const awaitCsr = {
  name: 'managed-await-csr',
  text: `WITH j AS (UPDATE jobs SET status = 'awaiting_csr', state_entered_at = now(), attempts = attempts - 1, lease_token = NULL, lease_expires_at = NULL
                    WHERE ${held} RETURNING id, subject_id),
    m AS (UPDATE managed_certificates SET last_error = $3, updated_at = now() FROM j WHERE managed_certificates.id = j.subject_id AND $3::text IS NOT NULL)
  SELECT id FROM j`,
};
const retryLater = {
  name: 'managed-retry-later',
  text: `WITH j AS (UPDATE jobs SET status = 'failed', retryable = true, run_at = now() + make_interval(secs => $3), last_error = $4, completed_at = now(),
                      state_entered_at = now(), lease_token = NULL, lease_expires_at = NULL
                    WHERE ${held} RETURNING id, subject_id),
    p AS (UPDATE certificate_holders SET last_error = $4 FROM j WHERE certificate_holders.id = j.subject_id),
    m AS (UPDATE managed_certificates SET last_error = $4, updated_at = now() FROM j WHERE managed_certificates.id = j.subject_id)
  SELECT id FROM j`,
};
/** When an agent's share that could not be renewed is due again. */
export const laterOfHolder = `CASE WHEN (SELECT r.auto_renew AND c.state IN ('pending', 'active') FROM managed_certificates c JOIN renewal_policies r ON r.id = c.policy_id
  WHERE c.id = certificate_holders.certificate_id) THEN now() + interval '6 hours' END`;
// A certificate that could not be renewed is not given up: its renewal becomes due again after six hours.
const giveUp = {
  name: 'managed-give-up',
  text: `WITH j AS (UPDATE jobs SET status = 'failed', last_error = $3, completed_at = now(), state_entered_at = now(), lease_token = NULL, lease_expires_at = NULL
                    WHERE ${held} RETURNING id, subject_id, type, attempts),
    m AS (UPDATE managed_certificates SET last_error = $3, updated_at = now(),
            renew_at = CASE WHEN state = 'active' AND (SELECT auto_renew FROM renewal_policies r WHERE r.id = policy_id) THEN now() + interval '6 hours' END
          FROM j WHERE managed_certificates.id = j.subject_id RETURNING managed_certificates.id, name),
    p AS (UPDATE certificate_holders SET last_error = $3, renew_at = ${laterOfHolder} FROM j WHERE certificate_holders.id = j.subject_id
          RETURNING certificate_id AS id, (SELECT c.name FROM managed_certificates c WHERE c.id = certificate_id)),
    f AS (SELECT j.id AS job, j.type, j.attempts, m.id, m.name FROM j, (SELECT * FROM m UNION ALL SELECT * FROM p) m),
    n AS (${notifyFrom('f', 'job.failed', { subject: 'f.job', dedupe: 'f.job', data: `jsonb_build_object('job', f.job, 'type', f.type, 'certificate', f.id, 'name', f.name, 'attempts', f.attempts, 'reason', $3::text)` })}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:worker', 'System', 'job_failed', 'job', job, jsonb_build_object('certificate', id, 'attempts', attempts, 'reason', $3::text), 'cert_lifecycle' FROM f)
  SELECT id FROM j`,
};

/** What an issuance or renewal job reads and writes; every write names the job's lease. */
export function managedIssuanceStore(database: Database): ManagedIssuanceStore {
  const changed = async (statement: { name: string; text: string }, job: ClaimedJob, ...rest: unknown[]): Promise<boolean> =>
    (await database.query(statement, [job.id, job.leaseToken, ...rest])).length === 1;
  const values = (job: ClaimedJob, { certificate, ...of }: NewVersion): unknown[] => [
    job.id,
    job.leaseToken,
    certificate.id,
    certificate.caId ?? null,
    certificate.serial,
    createHash('sha256').update(certificate.certificate).digest(),
    certificate.spkiSha256,
    certificate.certificate,
    certificate.commonName ?? null,
    JSON.stringify(certificate.sans),
    certificate.notBefore,
    certificate.notAfter,
    of.issuerId,
    of.chain ?? null,
    of.vendorRef ?? null,
    of.renewAt,
    of.alertAt ?? null,
    certificate.crlShard ?? null,
  ];
  return {
    async load(job) {
      const [row] = await database.query<ManagedRow>(loadManaged, [job.id, job.leaseToken]);
      return row && managedOf(row);
    },
    async reserve(job, intent) {
      const [row] = await database.query<{ ca_id: string | null; serial: string; tbs: Buffer; signs_leaves: boolean | null }>(reserve, [
        job.id,
        job.leaseToken,
        intent.caId,
        intent.serial,
        intent.tbs,
      ]);
      if (row === undefined) return undefined;
      if (row.ca_id === null && row.signs_leaves !== true) throw noLeaves();
      return row.ca_id === null ? intent : { idempotencyKey: job.id, caId: row.ca_id, serial: row.serial, tbs: row.tbs };
    },
    async complete(job, newVersion) {
      return database.transaction(async (session) => {
        const [row] = await session.query<{ certificate_id: string; renewed: boolean }>(completeManaged, values(job, newVersion));
        if (row === undefined) return false;
        // What an agent is given goes to its targets, in the same commit.
        if (job.agentId !== undefined) await deployToHolder(session, row.certificate_id, job.subjectId, row.renewed);
        return true;
      });
    },
    async keepOrphan(job, newVersion) {
      await database.query(orphan, values(job, newVersion));
    },
    isBlocked: async (spki) => (await database.query(isBlocked, [spki])).length === 1,
    awaitCsr: (job, reason) => changed(awaitCsr, job, reason ?? null),
    retryLater: (job, delaySeconds, reason) => changed(retryLater, job, delaySeconds, reason),
    giveUp: (job, reason) => changed(giveUp, job, reason),
  };
}

interface ManagedRow extends ProfileRow {
  managed_id: string;
  managed_name: string;
  state: Managed['state'];
  issuer_id: string;
  issuer_type: Managed['issuer']['type'];
  issuer_enabled: boolean;
  config: unknown;
  issuing_ca_id: string | null;
  csr: Buffer | null;
  csr_kept: boolean;
  common_name: string | null;
  key_algorithm: string | null;
  sans: { type: string; value: string }[];
  broken_rules: string[];
  renewal_window_days: number;
  retry_interval_seconds: number;
  alert_thresholds_days: number[];
}

function managedOf(row: ManagedRow): Managed {
  return {
    id: row.managed_id,
    name: row.managed_name,
    state: row.state,
    profile: profileOf(row),
    issuer: {
      id: row.issuer_id,
      type: row.issuer_type,
      enabled: row.issuer_enabled,
      config: row.config,
      issuingCaId: row.issuing_ca_id ?? undefined,
    },
    csr: row.csr ?? undefined,
    csrKept: row.csr_kept,
    commonName: row.common_name ?? undefined,
    keyAlgorithm: row.key_algorithm ?? undefined,
    names: row.sans,
    brokenRules: row.broken_rules,
    policy: {
      windowDays: row.renewal_window_days,
      retryIntervalSeconds: row.retry_interval_seconds,
      alertThresholdDays: row.alert_thresholds_days,
    },
  };
}
