import { activeCsrJob, firstStatus } from './agent-certificates.ts';
import type { Database } from './database.ts';
import { notifyFrom } from './notify.ts';
import { isOpen } from './open-job.ts';
import { hasTarget } from './target-of-share.ts';

/** What was made of one page of due rows. */
export interface Page {
  /** Jobs, agents or notifications that somebody is to be told of. */
  readonly ids: readonly string[];
  /** How many rows were due; fewer than asked for means that no more are. */
  readonly examined: number;
}

/** Of the shares of agents. */
export interface SharePage extends Page {
  /** Jobs that no agent polls for. */
  readonly hints: readonly string[];
}

/** What renewalCheck works on. */
export interface RenewalStore {
  /** Gives a job to each certificate of a page whose renewal is due. @returns the jobs */
  makeJobs(page: number): Promise<Page>;
  /**
   * Gives a CSR job to each agent of a page whose share in a certificate is due. Of many that are due together so many become due a second, those of one
   * agent together, behind those that wait for their turn already.
   *
   * @returns the agents that have work by now, or will have
   */
  makeCsrJobs(page: number, perSecond: number): Promise<SharePage>;
  /** Tells of each threshold of a page that was passed, and sets the next one. @returns the notifications */
  alert(page: number): Promise<Page>;
  nextDue(): Promise<Date | undefined>;
}

// renew_at leaves the index when a job takes over, and comes back with the next version or with the job's final failure.
export const dueRenewals = {
  name: 'renewal-jobs',
  text: `WITH d AS (
      SELECT m.id, m.policy_id FROM managed_certificates m WHERE m.renew_at <= now() ORDER BY m.renew_at, m.id LIMIT $1 FOR UPDATE SKIP LOCKED),
    w AS (SELECT d.id, r.max_retries FROM d JOIN renewal_policies r ON r.id = d.policy_id AND r.auto_renew),
    j AS (INSERT INTO jobs (id, type, subject_id, max_attempts, hinted_at)
          SELECT 'job-' || replace(gen_random_uuid()::text, '-', ''), 'renewal', id, greatest(1, max_retries), now() FROM w
          ON CONFLICT (subject_id) WHERE type IN ('issuance', 'renewal') AND ${isOpen}
          DO NOTHING RETURNING id, subject_id),
    u AS (UPDATE managed_certificates SET renew_at = NULL FROM d WHERE managed_certificates.id = d.id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:renewal-check', 'System', 'renewal_job_created', 'managed_certificate', subject_id, jsonb_build_object('job', id), 'cert_lifecycle' FROM j)
  SELECT ARRAY(SELECT id FROM j) AS ids, (SELECT count(*)::int FROM d) AS examined`,
};
// However many there are: the last of them is due within the hour.
const longestTurnSeconds = 3600;
// The same for the share of an agent: it is asked for a new key and a CSR. Agents that all came at once would wait for each other.
const dueShares = {
  name: 'renewal-csr-jobs',
  text: `WITH d AS (SELECT h.id, h.certificate_id, h.agent_id FROM certificate_holders h WHERE h.renew_at <= now() ORDER BY h.renew_at, h.id LIMIT $1 FOR UPDATE SKIP LOCKED),
    w AS (SELECT h.id, h.certificate_id, h.agent_id, r.max_retries, row_number() OVER (ORDER BY h.agent_id, h.id) - 1 AS place FROM d h JOIN managed_certificates m ON m.id = h.certificate_id AND m.state IN ('pending', 'active')
            JOIN renewal_policies r ON r.id = m.policy_id AND r.auto_renew JOIN agents a ON a.id = h.agent_id AND a.retired_at IS NULL WHERE ${hasTarget}),
    q AS (SELECT count(*) AS waiting FROM jobs WHERE type = 'csr' AND status = 'awaiting_csr' AND attempts = 0 AND run_at > now()),
    j AS (INSERT INTO jobs (id, type, subject_id, agent_id, status, max_attempts, hinted_at, run_at)
          SELECT 'job-' || replace(gen_random_uuid()::text, '-', ''), 'csr', id, agent_id, ${firstStatus('agent_id')}, greatest(1, max_retries),
                 CASE ${firstStatus('agent_id')} WHEN 'pending' THEN now() END,
                 now() + CASE ${firstStatus('agent_id')} WHEN 'pending' THEN interval '0'
                           ELSE make_interval(secs => least(${longestTurnSeconds}, (q.waiting + place) / $2::float8)) END FROM w, q
          ON CONFLICT (subject_id) WHERE ${activeCsrJob} DO NOTHING RETURNING id, subject_id, agent_id, status),
    u AS (UPDATE certificate_holders SET renew_at = NULL FROM d WHERE certificate_holders.id = d.id),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT DISTINCT 'agent', agent_id FROM j),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:renewal-check', 'System', 'renewal_job_created', 'managed_certificate', w.certificate_id, jsonb_build_object('job', j.id, 'agent', j.agent_id), 'cert_lifecycle'
          FROM j JOIN w ON w.id = j.subject_id)
  SELECT ARRAY(SELECT DISTINCT agent_id FROM j) AS ids, ARRAY(SELECT id FROM j WHERE status = 'pending') AS hints, (SELECT count(*)::int FROM d) AS examined`,
};
const alert = {
  name: 'renewal-alerts',
  text: `WITH d AS (
      SELECT m.id, m.name, m.not_after, m.alert_at, m.policy_id FROM managed_certificates m WHERE m.alert_at <= now()
      ORDER BY m.alert_at, m.id LIMIT $1 FOR UPDATE SKIP LOCKED),
    t AS (SELECT d.*, r.alert_thresholds_days,
            (SELECT min(days) FROM unnest(r.alert_thresholds_days) days WHERE d.not_after - make_interval(days => days) <= now()) AS passed,
            (SELECT min(d.not_after - make_interval(days => days)) FROM unnest(r.alert_thresholds_days) days
             WHERE d.not_after - make_interval(days => days) > now()) AS next_at
          FROM d JOIN renewal_policies r ON r.id = d.policy_id),
    u AS (UPDATE managed_certificates SET alert_at = t.next_at FROM t WHERE managed_certificates.id = t.id),
    n AS (${notifyFrom('t', 'certificate.expiring', {
      subject: 't.id',
      dedupe: `t.id || ':' || t.passed || ':' || extract(epoch FROM t.not_after)::bigint`,
      data: `jsonb_build_object('certificate', t.id, 'name', t.name, 'not_after', t.not_after, 'threshold_days', t.passed)`,
      where: 't.passed IS NOT NULL',
    })}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:renewal-check', 'System', 'expiry_alert', 'managed_certificate', id,
                 jsonb_build_object('threshold_days', passed, 'not_after', not_after), 'cert_lifecycle' FROM t WHERE passed IS NOT NULL)
  SELECT ARRAY(SELECT id FROM n) AS ids, (SELECT count(*)::int FROM d) AS examined`,
};
const nextDue = {
  name: 'renewal-next',
  text: `SELECT least((SELECT min(renew_at) FROM managed_certificates WHERE renew_at IS NOT NULL),
                      (SELECT min(renew_at) FROM certificate_holders WHERE renew_at IS NOT NULL),
                      (SELECT min(due_at) FROM renewal_causes),
                      (SELECT min(alert_at) FROM certificate_authorities WHERE alert_at IS NOT NULL),
                      (SELECT min(alert_at) FROM managed_certificates WHERE alert_at IS NOT NULL)) AS next_due`,
};

export function renewalStore(database: Database): RenewalStore {
  const work =
    <Found extends Page>(statement: { readonly name: string; readonly text: string }, none: Found) =>
    async (...given: readonly number[]): Promise<Found> =>
      (await database.query<Found & Record<string, unknown>>(statement, given))[0] ?? none;
  const none: Page = { ids: [], examined: 0 };
  return {
    makeJobs: work(dueRenewals, none),
    makeCsrJobs: work<SharePage>(dueShares, { ...none, hints: [] }),
    alert: work(alert, none),
    async nextDue() {
      return (await database.query<{ next_due: Date | null }>(nextDue, []))[0]?.next_due ?? undefined;
    },
  };
}
