import type { Database } from './database.ts';

export interface Statistics {
  readonly certificates: Readonly<
    Record<'pending' | 'active' | 'held' | 'revoked' | 'archived' | 'expired' | 'expiring_7_days' | 'expiring_30_days', number>
  >;
  readonly jobs: Readonly<Record<'waiting' | 'awaiting_approval' | 'awaiting_csr' | 'running' | 'retrying', number>>;
  readonly approvals_pending: number;
  readonly violations_open: number;
  readonly notifications_dead: number;
  readonly acme_accounts: number;
  readonly owners_without_team: number;
}

export interface Timeline {
  readonly past: readonly { readonly day: string; readonly issued: number; readonly revoked: number; readonly jobs_failed: number }[];
  readonly ahead: readonly { readonly day: string; readonly expiring: number }[];
}

const summary = {
  name: 'statistics',
  text: `SELECT
    (SELECT jsonb_build_object(
       'pending', count(*) FILTER (WHERE state = 'pending'), 'active', count(*) FILTER (WHERE state = 'active'),
       'held', count(*) FILTER (WHERE state = 'held'), 'revoked', count(*) FILTER (WHERE state = 'revoked'), 'archived', count(*) FILTER (WHERE state = 'archived'),
       'expired', count(*) FILTER (WHERE state = 'active' AND not_after <= now()),
       'expiring_7_days', count(*) FILTER (WHERE state = 'active' AND not_after > now() AND not_after <= now() + interval '7 days'),
       'expiring_30_days', count(*) FILTER (WHERE state = 'active' AND not_after > now() AND not_after <= now() + interval '30 days'))
     FROM managed_certificates) AS certificates,
    (SELECT jsonb_build_object(
       'waiting', count(*) FILTER (WHERE status = 'pending'), 'awaiting_approval', count(*) FILTER (WHERE status = 'awaiting_approval'),
       'awaiting_csr', count(*) FILTER (WHERE status = 'awaiting_csr'), 'running', count(*) FILTER (WHERE status = 'running'),
       'retrying', (SELECT count(*) FROM jobs WHERE retryable))
     FROM jobs WHERE status IN ('pending', 'awaiting_csr', 'awaiting_approval', 'running')) AS jobs,
    (SELECT count(*)::int FROM approvals WHERE state = 'pending' AND expires_at > now()) AS approvals_pending,
    (SELECT count(*)::int FROM policy_violations WHERE resolved_at IS NULL) AS violations_open,
    (SELECT count(*)::int FROM notifications WHERE status = 'dead') AS notifications_dead,
    (SELECT count(*)::int FROM acme_accounts WHERE status = 'valid') AS acme_accounts,
    (SELECT count(*)::int FROM owners WHERE team_id IS NULL) AS owners_without_team`,
};
const past = {
  name: 'statistics-past',
  text: `WITH d AS (SELECT generate_series(date_trunc('day', now(), 'UTC') - make_interval(days => $1 - 1), date_trunc('day', now(), 'UTC'), interval '1 day') AS day)
    SELECT to_char(d.day AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
      (SELECT count(*)::int FROM certificates c WHERE c.created_at >= d.day AND c.created_at < d.day + interval '1 day') AS issued,
      (SELECT count(*)::int FROM revocations r WHERE r.revoked_at >= d.day AND r.revoked_at < d.day + interval '1 day') AS revoked,
      (SELECT count(*)::int FROM jobs j WHERE j.status = 'failed' AND j.created_at >= d.day AND j.created_at < d.day + interval '1 day') AS jobs_failed
    FROM d ORDER BY d.day`,
};
const ahead = {
  name: 'statistics-ahead',
  text: `WITH d AS (SELECT generate_series(date_trunc('day', now(), 'UTC'), date_trunc('day', now(), 'UTC') + make_interval(days => $1 - 1), interval '1 day') AS day)
    SELECT to_char(d.day AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
      (SELECT count(*)::int FROM managed_certificates m WHERE m.state = 'active'
         AND coalesce(m.not_after, 'infinity') >= d.day AND coalesce(m.not_after, 'infinity') < d.day + interval '1 day') AS expiring
    FROM d ORDER BY d.day`,
};

/** Numbers that are computed at each look. */
export function statistics(database: Database): { summary(): Promise<Statistics>; timeline(days: number): Promise<Timeline> } {
  return {
    async summary() {
      const [row] = await database.query<Statistics>(summary, []);
      if (row === undefined) throw new Error('no row');
      return row;
    },
    async timeline(days) {
      return { past: await database.query(past, [days]), ahead: await database.query(ahead, [days]) };
    },
  };
}
