import type { Database } from './database.ts';
import { isOpen } from './open-job.ts';
import { records, type RecordTable, type Records } from './records.ts';
import { hasTarget } from './target-of-share.ts';

/**
 * When a row is due by its policy `p`: an instant of the window that `domain/lifecycle/renewal-time.ts` says; what is urgent, within the hour.
 *
 * @param row managed_certificates or certificate_holders
 * @param of what has its not_before and not_after
 */
const renewAt = (row: string, of: string): string => `CASE WHEN p.auto_renew THEN CASE WHEN ${row}.urgent_since IS NOT NULL
      THEN least(${row}.renew_at, now() + random() * interval '1 hour')
      ELSE (SELECT to_timestamp(w.start + random() * (greatest(w.until, w.start + 1) - w.start)) FROM (
        SELECT extract(epoch FROM ${of}.not_after) AS till, extract(epoch FROM ${of}.not_after - ${of}.not_before) AS life) l,
        LATERAL (SELECT least(p.renewal_window_days * 86400, l.life / CASE WHEN l.life < 864000 THEN 2 ELSE 3 END) AS lead) d,
        LATERAL (SELECT least(l.life / 100, d.lead / 4) AS half) b,
        LATERAL (SELECT floor(l.till - d.lead - b.half) AS start, floor(l.till - d.lead + b.half) AS until) w) END END`;
/** {@link renewAt} of an active certificate `m`. */
export const renewAtByPolicy = renewAt('m', 'm');
/** Its next threshold. */
export const alertAtByPolicy = `(SELECT min(m.not_after - make_interval(days => days)) FROM unnest(p.alert_thresholds_days) days
    WHERE m.not_after - make_interval(days => days) > now())`;
/** A job that is at it, or will be again, has the word. */
export const restless = `EXISTS (SELECT FROM jobs WHERE subject_id = m.id AND type IN ('issuance', 'renewal')
  AND ${isOpen})`;

/** The shares of agents in a certificate, by the policy that it follows; `of` is a condition over `m` and `p`. */
export const holdersFollow = (of: string): string => `UPDATE certificate_holders h SET renew_at = CASE WHEN EXISTS (
      SELECT FROM jobs WHERE subject_id = h.id AND type = 'csr' AND ${isOpen})
    THEN h.renew_at ELSE ${renewAt('h', 'v')} END
  FROM certificates v, managed_certificates m, renewal_policies p
  WHERE v.id = h.current_id AND m.id = h.certificate_id AND p.id = m.policy_id AND m.state = 'active' AND ${hasTarget} AND ${of}`;
const followHeld = { name: 'renewal-policy-follow-held', text: holdersFollow('p.id = $1') };

const follow = {
  name: 'renewal-policy-follow',
  text: `UPDATE managed_certificates m SET renew_at = CASE WHEN m.key_source = 'agent' OR ${restless} THEN m.renew_at ELSE ${renewAtByPolicy} END, alert_at = ${alertAtByPolicy}
         FROM renewal_policies p WHERE p.id = $1 AND m.policy_id = p.id AND m.state = 'active' AND m.not_after IS NOT NULL`,
};

export const renewalPolicyTable: RecordTable = {
  table: 'renewal_policies',
  resource: 'renewal_policy',
  action: 'RenewalPolicy',
  category: 'config',
  columns: `r.id, r.name, r.renewal_window_days, r.auto_renew, r.max_retries, r.retry_interval_seconds, r.alert_thresholds_days, r.version, r.created_at, r.updated_at`,
  fields: {
    name: { column: 'name' },
    renewal_window_days: { column: 'renewal_window_days' },
    auto_renew: { column: 'auto_renew' },
    max_retries: { column: 'max_retries' },
    retry_interval_seconds: { column: 'retry_interval_seconds' },
    alert_thresholds_days: { column: 'alert_thresholds_days', as: 'integer[]' },
  },
  sorts: { name: { expression: 'r.name', type: 'text' }, created_at: { expression: 'r.created_at', type: 'timestamptz' } },
  details: `jsonb_build_object('name', r.name, 'version', r.version, 'window_days', r.renewal_window_days, 'auto_renew', r.auto_renew)`,
  after: async (session, id) => {
    await session.query(follow, [id]);
    await session.query(followHeld, [id]);
  },
};

/** Renewal policies; what changes here holds at once for the certificates that follow. */
export const renewalPolicyRecords = (database: Database): Records => records(database, renewalPolicyTable);
