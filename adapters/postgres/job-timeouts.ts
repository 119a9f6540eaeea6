import type { Database } from './database.ts';
import { notOfAgents } from './jobs.ts';
import { laterOfHolder } from './managed-issuance.ts';
import { notifyFrom } from './notify.ts';

export interface JobTimeouts {
  /** Jobs whose worker died and that have attempts left become pending. Returns how many. */
  returnAbandoned(limit: number): Promise<number>;
  /** Jobs that waited too long for a person, counted from when they began to wait. */
  failUnanswered(
    limits: { readonly csrSeconds: number; readonly approvalSeconds: number },
    limit: number,
  ): Promise<{ readonly failed: number; readonly notificationIds: readonly string[] }>;
  /** Deployments and inspections whose agent fell silent in the last attempt. */
  failSilent(limit: number): Promise<{ readonly failed: number; readonly notificationIds: readonly string[] }>;
  nextDue(limits: { readonly csrSeconds: number; readonly approvalSeconds: number }): Promise<Date | undefined>;
}

const abandoned = {
  name: 'timeout-abandoned',
  text: `WITH c AS (SELECT id FROM jobs WHERE status = 'running' AND lease_expires_at <= now() AND attempts < max_attempts AND ${notOfAgents}
                   ORDER BY lease_expires_at LIMIT $1 FOR UPDATE SKIP LOCKED),
    u AS (UPDATE jobs SET status = 'pending', run_at = now(), last_error = 'lease_expired', state_entered_at = now(), hinted_at = NULL,
            lease_token = NULL, lease_expires_at = NULL
          FROM c WHERE jobs.id = c.id RETURNING jobs.id, attempts),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:job-timeout', 'System', 'job_timeout', 'job', id, jsonb_build_object('reason', 'lease_expired', 'attempts', attempts),
                 'cert_lifecycle' FROM u)
  SELECT count(*)::int AS n FROM u`,
};
const unanswered = {
  name: 'timeout-unanswered',
  text: `WITH c AS (
      SELECT id FROM jobs WHERE (status = 'awaiting_csr' AND state_entered_at <= now() - make_interval(secs => $1))
                             OR (status = 'awaiting_approval' AND state_entered_at <= now() - make_interval(secs => $2))
      ORDER BY state_entered_at LIMIT $3 FOR UPDATE SKIP LOCKED),
    e AS (UPDATE approvals SET state = 'expired' WHERE kind = 'profile_edit' AND state = 'pending' AND expires_at <= now()),
    o AS (SELECT jobs.id, CASE jobs.status WHEN 'awaiting_csr' THEN 'csr_timeout' ELSE 'approval_timeout' END AS reason FROM jobs JOIN c USING (id)),
    u AS (UPDATE jobs SET status = 'failed', last_error = o.reason, completed_at = now(), state_entered_at = now()
          FROM o WHERE jobs.id = o.id RETURNING jobs.id, subject_id, type, o.reason),
    -- who did not hand in a CSR is asked again; who did not answer is not
    m AS (UPDATE managed_certificates SET last_error = u.reason, updated_at = now(),
            renew_at = CASE WHEN u.reason = 'csr_timeout' AND state = 'active' AND (SELECT auto_renew FROM renewal_policies r WHERE r.id = policy_id) THEN now() + interval '6 hours' ELSE renew_at END
          FROM u WHERE managed_certificates.id = u.subject_id),
    p AS (UPDATE certificate_holders SET last_error = u.reason, renew_at = ${laterOfHolder} FROM u WHERE certificate_holders.id = u.subject_id),
    n AS (${notifyFrom('u', 'job.failed', { subject: 'u.id', dedupe: 'u.id', data: `jsonb_build_object('job', u.id, 'certificate', u.subject_id, 'type', u.type, 'reason', u.reason)` })}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:job-timeout', 'System', 'job_timeout', 'job', id, jsonb_build_object('reason', reason), 'cert_lifecycle' FROM u)
  SELECT (SELECT count(*)::int FROM u) AS n, ARRAY(SELECT id FROM n) AS ids`,
};
// An agent takes its own lapsed deployments and inspections up again while attempts are left; the last one ends here.
const silent = {
  name: 'timeout-silent',
  text: `WITH c AS (SELECT id FROM jobs WHERE NOT (${notOfAgents}) AND status = 'running' AND lease_expires_at <= now() AND attempts >= max_attempts
                   ORDER BY lease_expires_at LIMIT $1 FOR UPDATE SKIP LOCKED),
    u AS (UPDATE jobs SET status = 'failed', last_error = 'lease_expired', completed_at = now(), state_entered_at = now(), lease_token = NULL, lease_expires_at = NULL
          FROM c WHERE jobs.id = c.id RETURNING jobs.id, type, subject_id, agent_id),
    t AS (UPDATE certificate_targets SET last_error = 'lease_expired: the agent did not say how it ended' FROM u JOIN deployments d ON d.id = u.subject_id
          WHERE certificate_targets.certificate_id = d.certificate_id AND certificate_targets.target_id = d.target_id),
    n AS (${notifyFrom('u', 'job.failed', { subject: 'u.id', dedupe: 'u.id', data: `jsonb_build_object('job', u.id, 'type', u.type, 'agent', u.agent_id, 'reason', 'lease_expired')` })}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:job-timeout', 'System', 'job_timeout', 'job', id, jsonb_build_object('reason', 'lease_expired'), 'cert_lifecycle' FROM u)
  SELECT (SELECT count(*)::int FROM u) AS n, ARRAY(SELECT id FROM n) AS ids`,
};
const nextDue = {
  name: 'timeout-next',
  text: `SELECT least(
      (SELECT min(lease_expires_at) FROM jobs WHERE status = 'running' AND (attempts < max_attempts) = (${notOfAgents})),
      (SELECT min(state_entered_at) FROM jobs WHERE status = 'awaiting_csr') + make_interval(secs => $1),
      (SELECT min(state_entered_at) FROM jobs WHERE status = 'awaiting_approval') + make_interval(secs => $2)) AS next_due`,
};

/** Ends what waits for somebody who does not come. Ages count from the entry into the state, so a job that waits again waits in full. */
export function jobTimeouts(database: Database): JobTimeouts {
  return {
    async returnAbandoned(limit) {
      return (await database.query<{ n: number }>(abandoned, [limit]))[0]?.n ?? 0;
    },
    async failUnanswered(limits, limit) {
      const values = [limits.csrSeconds, limits.approvalSeconds, limit];
      const [row] = await database.query<{ n: number; ids: string[] }>(unanswered, values);
      return { failed: row?.n ?? 0, notificationIds: row?.ids ?? [] };
    },
    async failSilent(limit) {
      const [row] = await database.query<{ n: number; ids: string[] }>(silent, [limit]);
      return { failed: row?.n ?? 0, notificationIds: row?.ids ?? [] };
    },
    async nextDue(limits) {
      return (
        (await database.query<{ next_due: Date | null }>(nextDue, [limits.csrSeconds, limits.approvalSeconds]))[0]?.next_due ?? undefined
      );
    },
  };
}
