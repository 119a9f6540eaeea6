import type { Database } from './database.ts';

/** What ends or goes in the ACME tables, in chunks; each sweep that changes something leaves one audit row. */
export interface AcmeGc {
  expireOrders(limit: number): Promise<number>;
  expireAuthorizations(limit: number): Promise<number>;
  /** Terminal orders without a certificate, with all that hangs on them. @param days that they have been left alone */
  purgeOrders(days: number, limit: number): Promise<number>;
  /** What lets ended orders that renewed themselves issue: CSR and URL. @param days since their end */
  forgetRenewals(days: number, limit: number): Promise<number>;
  /** Failures that nobody asked about for so long; what is paused stays. @param days since the last one */
  purgeFailures(days: number, limit: number): Promise<number>;
  /** Records of runs. @param days since they began */
  purgeRuns(days: number, limit: number): Promise<number>;
  nextDue(): Promise<Date | undefined>;
}

const audit = (action: string, from: string): string => `
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:acme-gc', 'System', '${action}', 'acme', 'sweep', jsonb_build_object('rows', count(*)), 'cert_lifecycle' FROM ${from} HAVING count(*) > 0)`;

// An order that is processing may have a certificate at the CA already: it is finished by its job, never expired.
const expireOrders = {
  name: 'gc-orders',
  text: `WITH d AS (
      SELECT id FROM acme_orders WHERE status IN ('pending', 'ready') AND expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED),
    o AS (UPDATE acme_orders SET status = 'invalid', updated_at = now(),
            error = '{"type":"urn:ietf:params:acme:error:malformed","detail":"the order has expired","status":403}'
          FROM d WHERE acme_orders.id = d.id RETURNING acme_orders.id, account_id),
    z AS (UPDATE acme_authorizations SET status = 'expired' FROM o WHERE order_id = o.id AND status = 'pending' RETURNING acme_authorizations.id),
    c AS (UPDATE acme_challenges SET status = 'invalid' FROM z WHERE authorization_id = z.id AND acme_challenges.status = 'pending'),
    a AS (UPDATE acme_accounts SET open_orders = greatest(0, open_orders - n.n)
          FROM (SELECT account_id, count(*)::int AS n FROM o GROUP BY account_id) n WHERE acme_accounts.id = n.account_id),${audit('acme_orders_expired', 'o')}
  SELECT count(*)::int AS n FROM o`,
};
const expireAuthorizations = {
  name: 'gc-authorizations',
  text: `WITH d AS (
      SELECT id FROM acme_authorizations WHERE status IN ('pending', 'valid') AND expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED),
    z AS (UPDATE acme_authorizations SET status = 'expired' FROM d WHERE acme_authorizations.id = d.id RETURNING acme_authorizations.id),
    c AS (UPDATE acme_challenges SET status = 'invalid' FROM z WHERE authorization_id = z.id AND acme_challenges.status = 'pending'),${audit('acme_authorizations_expired', 'z')}
  SELECT count(*)::int AS n FROM z`,
};
// Authorizations and challenges go with their order.
const purgeOrders = {
  name: 'gc-purge-orders',
  text: `WITH d AS (
      SELECT id FROM acme_orders WHERE status = 'invalid' AND certificate_id IS NULL AND updated_at <= now() - make_interval(days => $1)
      ORDER BY updated_at LIMIT $2 FOR UPDATE SKIP LOCKED),
    o AS (DELETE FROM acme_orders USING d WHERE acme_orders.id = d.id RETURNING acme_orders.id),${audit('acme_orders_purged', 'o')}
  SELECT count(*)::int AS n FROM o`,
};
const forgetRenewals = {
  name: 'gc-forget-renewals',
  text: `WITH d AS (
      SELECT id FROM acme_orders WHERE star_id IS NOT NULL AND status IN ('valid', 'canceled') AND expires_at <= now() - make_interval(days => $1)
      ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED),
    o AS (UPDATE acme_orders SET star_id = NULL, csr = NULL FROM d WHERE acme_orders.id = d.id RETURNING acme_orders.id),${audit('acme_renewals_forgotten', 'o')}
  SELECT count(*)::int AS n FROM o`,
};
const purgeFailures = {
  name: 'gc-purge-failures',
  text: `WITH d AS (
      SELECT id FROM acme_failing_names WHERE paused_at IS NULL AND last_failed_at <= now() - make_interval(days => $1)
      ORDER BY last_failed_at LIMIT $2 FOR UPDATE SKIP LOCKED),
    n AS (DELETE FROM acme_failing_names USING d WHERE acme_failing_names.id = d.id RETURNING acme_failing_names.id),${audit('acme_failing_names_purged', 'n')}
  SELECT count(*)::int AS n FROM n`,
};
const purgeRuns = {
  name: 'gc-purge-runs',
  text: `WITH d AS (SELECT id FROM loop_runs WHERE started_at <= now() - make_interval(days => $1) ORDER BY started_at LIMIT $2 FOR UPDATE SKIP LOCKED),
    r AS (DELETE FROM loop_runs USING d WHERE loop_runs.id = d.id RETURNING loop_runs.id)
  SELECT count(*)::int AS n FROM r`,
};
const nextDue = {
  name: 'gc-next',
  text: `SELECT least((SELECT min(expires_at) FROM acme_orders WHERE status IN ('pending', 'ready')),
                      (SELECT min(expires_at) FROM acme_authorizations WHERE status IN ('pending', 'valid'))) AS next_due`,
};

export function acmeGc(database: Database): AcmeGc {
  const count = async (statement: { name: string; text: string }, ...values: number[]): Promise<number> =>
    (await database.query<{ n: number }>(statement, values))[0]?.n ?? 0;
  return {
    expireOrders: (limit) => count(expireOrders, limit),
    expireAuthorizations: (limit) => count(expireAuthorizations, limit),
    purgeOrders: (days, limit) => count(purgeOrders, days, limit),
    forgetRenewals: (days, limit) => count(forgetRenewals, days, limit),
    purgeFailures: (days, limit) => count(purgeFailures, days, limit),
    purgeRuns: (days, limit) => count(purgeRuns, days, limit),
    async nextDue() {
      return (await database.query<{ next_due: Date | null }>(nextDue, []))[0]?.next_due ?? undefined;
    },
  };
}
