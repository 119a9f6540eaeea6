import type { DeploymentReport, Reported } from '#domain/agent/work.ts';
import { backoffSeconds } from '#domain/job/backoff.ts';
import type { Database, Session } from './database.ts';
import { nextInspection } from './inspection-time.ts';
import { notifyFrom } from './notify.ts';

// A report that comes twice finds the token of the first in the job's payload. The certificate says what must have been deployed.
const lock = {
  name: 'agent-report-lock',
  text: `SELECT j.type, j.status, j.attempts, j.max_attempts, j.lease_token, j.payload ->> 'reported' AS reported, encode(c.fingerprint, 'hex') AS fingerprint,
      coalesce(r.retry_interval_seconds, 300) AS retry_seconds
    FROM jobs j
      LEFT JOIN deployments d ON d.id = j.subject_id
      LEFT JOIN certificates c ON c.id = d.version_id
      LEFT JOIN certificate_holders h ON h.id = j.subject_id
      LEFT JOIN managed_certificates m ON m.id = coalesce(d.certificate_id, h.certificate_id)
      LEFT JOIN renewal_policies r ON r.id = m.policy_id
    WHERE j.id = $2 AND j.agent_id = $1 FOR UPDATE OF j`,
};
const settled = `lease_token = NULL, lease_expires_at = NULL, state_entered_at = now(), payload = payload || jsonb_build_object('reported', $2::text)`;
const note = {
  name: 'agent-report-note',
  text: `WITH d AS (UPDATE deployments SET failure_class = $2, detail = $3, idempotent = $4, rolled_back = $5, observed = decode($6, 'hex'), duration_ms = $7, backup_paths = $8,
      verified_at = CASE WHEN $9 THEN now() END
    FROM jobs j WHERE j.id = $1 AND deployments.id = j.subject_id RETURNING target_id)
  UPDATE targets SET counters = counters || (SELECT jsonb_object_agg(k, coalesce((counters ->> k)::int, 0) + 1) FROM unnest($10::text[]) k) FROM d WHERE targets.id = d.target_id`,
};
// Also of a deployment that failed: what was made there is not to be made a second time.
const refer = {
  name: 'agent-report-reference',
  text: `UPDATE targets SET reference = $2 FROM jobs j JOIN deployments d ON d.id = j.subject_id
         WHERE j.id = $1 AND targets.id = d.target_id AND targets.reference IS DISTINCT FROM $2`,
};
const complete = {
  name: 'agent-report-complete',
  text: `WITH j AS (UPDATE jobs SET status = 'completed', completed_at = now(), last_error = NULL, ${settled} WHERE id = $1 RETURNING id, subject_id, agent_id),
    d AS (SELECT d.id, d.certificate_id, d.version_id, d.target_id, d.agent_id, j.id AS job FROM deployments d JOIN j ON j.subject_id = d.id),
    t AS (UPDATE certificate_targets SET deployed_id = d.version_id, deployed_at = now(), last_error = NULL FROM d
          WHERE certificate_targets.certificate_id = d.certificate_id AND certificate_targets.target_id = d.target_id),
    v AS (UPDATE targets SET expected = c.fingerprint, observed = decode($3, 'hex'), drifted_since = NULL, ready = true, failure_class = NULL, inspection_detail = NULL,
            -- where nobody looked, nothing was seen
            (inspected_at, inspection, observed_source, observed_serial, observed_not_after) =
              (SELECT now(), 'in_sync', 'served', c.serial, c.not_after WHERE $3::text IS NOT NULL),
            inspect_at = CASE WHEN on_drift <> 'ignore' THEN ${nextInspection} END
          FROM d JOIN certificates c ON c.id = d.version_id WHERE targets.id = d.target_id RETURNING targets.inspect_at),
    a AS (UPDATE agents SET status = 'online', status_reason = NULL FROM d WHERE agents.id = d.agent_id AND status = 'degraded' AND status_reason = 'deployment_failed'),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT agent_id, 'Agent', 'certificate_deployed', 'managed_certificate', certificate_id,
                 jsonb_build_object('version', version_id, 'target', target_id, 'deployment', id, 'job', job), 'cert_lifecycle' FROM d)
  SELECT j.id, (SELECT inspect_at FROM v) AS inspect_at FROM j`,
};
const again = {
  name: 'agent-report-again',
  text: `WITH j AS (UPDATE jobs SET run_at = now() + make_interval(secs => $3), last_error = $4, ${settled},
                    status = CASE type WHEN 'csr' THEN 'awaiting_csr' ELSE 'pending' END,
                    attempts = attempts + CASE type WHEN 'csr' THEN 1 ELSE 0 END
                  WHERE id = $1 RETURNING id, subject_id, type, agent_id, attempts),
    t AS (UPDATE certificate_targets SET last_error = $4 FROM deployments d, j WHERE d.id = j.subject_id AND j.type = 'deployment'
            AND certificate_targets.certificate_id = d.certificate_id AND certificate_targets.target_id = d.target_id),
    h AS (UPDATE certificate_holders SET last_error = $4 FROM j WHERE certificate_holders.id = j.subject_id AND j.type = 'csr'),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'agent', agent_id FROM j),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT agent_id, 'Agent', 'job_retry', 'job', id, jsonb_build_object('attempts', attempts, 'reason', $4::text), 'cert_lifecycle' FROM j)
  SELECT id FROM j`,
};
// Without its key a version is worth nothing: a new key and version become due at once. A CSR that could not be made is due again later.
const fail = {
  name: 'agent-report-fail',
  text: `WITH j AS (UPDATE jobs SET status = 'failed', completed_at = now(), last_error = $3, ${settled} WHERE id = $1
                  RETURNING id, subject_id, type, agent_id, attempts),
    d AS (SELECT d.id, d.certificate_id, d.version_id, d.target_id FROM deployments d JOIN j ON j.subject_id = d.id AND j.type = 'deployment'),
    t AS (UPDATE certificate_targets SET last_error = $3 FROM d WHERE certificate_targets.certificate_id = d.certificate_id AND certificate_targets.target_id = d.target_id),
    h AS (UPDATE certificate_holders SET last_error = CASE j.type WHEN 'csr' THEN $3 ELSE certificate_holders.last_error END,
            renew_at = CASE WHEN NOT (SELECT auto_renew FROM managed_certificates m JOIN renewal_policies r ON r.id = m.policy_id WHERE m.id = certificate_holders.certificate_id) THEN NULL
                            WHEN j.type = 'csr' THEN now() + interval '6 hours' WHEN $4::boolean THEN now() ELSE certificate_holders.renew_at END
          FROM j LEFT JOIN d ON true
          WHERE certificate_holders.id = j.subject_id OR (certificate_holders.certificate_id = d.certificate_id AND certificate_holders.agent_id = j.agent_id)),
    a AS (UPDATE agents SET status = 'degraded', status_reason = 'deployment_failed' FROM j WHERE agents.id = j.agent_id AND j.type = 'deployment' AND agents.status = 'online'),
    n AS (${notifyFrom('j', 'job.failed', { subject: 'j.id', dedupe: 'j.id', data: `jsonb_build_object('job', j.id, 'type', j.type, 'agent', j.agent_id, 'certificate', coalesce((SELECT certificate_id FROM d), (SELECT certificate_id FROM certificate_holders h WHERE h.id = j.subject_id)), 'attempts', j.attempts, 'reason', $3::text)` })}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT agent_id, 'Agent', 'job_failed', 'job', id, jsonb_build_object('attempts', attempts, 'reason', $3::text), 'cert_lifecycle' FROM j)
  SELECT id FROM j`,
};

// Who makes a newer deployment holds the share's row: what is read afterwards has it.
const lockShare = {
  name: 'agent-report-share',
  text: `SELECT h.id FROM certificate_holders h JOIN deployments d ON d.certificate_id = h.certificate_id AND d.agent_id = h.agent_id
         JOIN jobs j ON j.subject_id = d.id WHERE j.id = $1 FOR NO KEY UPDATE OF h`,
};
const supersede = {
  name: 'agent-report-supersede',
  text: `WITH j AS (UPDATE jobs SET status = 'cancelled', completed_at = now(), last_error = 'superseded by a newer deployment', ${settled}
                   FROM deployments d WHERE jobs.id = $1 AND d.id = jobs.subject_id
                     AND EXISTS (SELECT FROM deployments n WHERE n.target_id = d.target_id AND n.certificate_id = d.certificate_id AND n.created_at > d.created_at)
                   RETURNING jobs.id, jobs.agent_id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT agent_id, 'Agent', 'job_superseded', 'job', id, jsonb_build_object('reason', $3::text), 'cert_lifecycle' FROM j)
  SELECT id FROM j`,
};

interface Locked {
  type: 'csr' | 'deployment' | 'inspection';
  status: string;
  attempts: number;
  max_attempts: number;
  lease_token: string | null;
  reported: string | null;
  fingerprint: string | null;
  retry_seconds: number;
}

/** Takes a job's row for a report; what the report is not about, or comes too late for, is said instead. */
export async function held(
  session: Session,
  agentId: string,
  jobId: string,
  token: string,
  type: Locked['type'],
): Promise<Locked | Reported> {
  const [row] = await session.query<Locked>(lock, [agentId, jobId]);
  if (row?.type !== type) return { kind: 'unknown' };
  if (row.reported === token) return { kind: 'taken', status: row.status };
  return row.lease_token === token ? row : { kind: 'stale' };
}

/**
 * Completed only when the server serves what was deployed, or the target's configuration says that nobody shall look.
 *
 * @param verified what else is done then, in the same commit and behind the lock of the share
 */
export function reportDeployment(
  database: Database,
  agentId: string,
  jobId: string,
  token: string,
  report: DeploymentReport,
  fraction: number,
  verified?: (session: Session, jobId: string) => Promise<void>,
): Promise<Reported> {
  return database.transaction(async (session): Promise<Reported> => {
    const job = await held(session, agentId, jobId, token, 'deployment');
    if ('kind' in job) return job;
    const mismatch = report.ok && report.observed !== undefined && report.observed !== job.fingerprint;
    const ok = report.ok && !mismatch;
    const failureClass = mismatch ? 'verify' : ok ? undefined : (report.failureClass ?? 'connector');
    await session.query(note, [
      jobId,
      failureClass ?? null,
      report.detail ?? null,
      report.idempotent,
      report.rolledBack,
      report.observed ?? null,
      report.durationMs,
      report.backupPaths,
      ok && report.observed !== undefined,
      [
        ...(ok ? ['succeeded'] : ['failed', failureClass ?? 'connector']),
        ...(ok && report.idempotent ? ['idempotent'] : []),
        ...(report.rolledBack ? ['rolled_back'] : []),
      ],
    ]);
    if (report.reference !== undefined) await session.query(refer, [jobId, report.reference]);
    if (ok) {
      if (verified !== undefined) await session.query(lockShare, [jobId]);
      const [done] = await session.query<{ inspect_at: Date | null }>(complete, [jobId, token, report.observed ?? null]);
      await verified?.(session, jobId);
      return { kind: 'taken', status: 'completed', ...(done?.inspect_at && { nextDue: done.inspect_at }) };
    }
    const reason = `${failureClass ?? 'connector'}: ${report.detail ?? 'no detail'}`.slice(0, 500);
    // Tried again after the newer one it would undo that.
    await session.query(lockShare, [jobId]);
    if ((await session.query(supersede, [jobId, token, reason])).length > 0) return { kind: 'taken', status: 'cancelled' };
    // Neither gets better by itself: the one needs another key, the other a person.
    const final = failureClass === 'key_mismatch' || failureClass === 'rollback_failed' || job.attempts >= job.max_attempts;
    if (final) await session.query(fail, [jobId, token, reason, failureClass === 'key_mismatch']);
    else await session.query(again, [jobId, token, backoffSeconds(job.retry_seconds, job.attempts, fraction), reason]);
    return { kind: 'taken', status: final ? 'failed' : 'pending' };
  });
}

/** The agent could make no key or no CSR: tried again later, then given up until the renewal is due again. */
export function reportCsrFailure(
  database: Database,
  agentId: string,
  jobId: string,
  token: string,
  reason: string,
  fraction: number,
): Promise<Reported> {
  return database.transaction(async (session): Promise<Reported> => {
    const job = await held(session, agentId, jobId, token, 'csr');
    if ('kind' in job) return job;
    const final = job.attempts + 1 >= job.max_attempts;
    if (final) await session.query(fail, [jobId, token, reason, false]);
    else await session.query(again, [jobId, token, backoffSeconds(job.retry_seconds, job.attempts + 1, fraction), reason]);
    return { kind: 'taken', status: final ? 'failed' : 'awaiting_csr' };
  });
}
