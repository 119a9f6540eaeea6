import type { Database } from './database.ts';
import { notifyFrom } from './notify.ts';

/** The ends of certificates that lived less than an hour. */
export interface ShortLivedStore {
  /** Notes at most `limit` ends, each once. */
  noteEnds(limit: number): Promise<{ readonly noted: number; readonly notificationIds: readonly string[] }>;
  nextDue(): Promise<Date | undefined>;
}

const shortLived = `expiry_noted_at IS NULL AND not_after - not_before < interval '1 hour'`;
// What its order has renewed has not run out on anybody (RFC 8739).
const succeeded = `SELECT FROM acme_renewals w JOIN acme_orders o ON o.id = w.order_id WHERE w.certificate_id = u.id AND o.renewal_number > w.number`;
const noteEnds = {
  name: 'short-lived-ends',
  text: `WITH d AS (SELECT id FROM certificates WHERE ${shortLived} AND not_after <= now() ORDER BY not_after LIMIT $1 FOR UPDATE SKIP LOCKED),
    u AS (UPDATE certificates c SET expiry_noted_at = now() FROM d WHERE c.id = d.id RETURNING c.id, c.serial, c.not_after, c.common_name),
    n AS (${notifyFrom('u', 'certificate.expired', { subject: 'u.id', dedupe: 'u.id', data: `jsonb_build_object('certificate', u.id, 'serial', u.serial, 'common_name', u.common_name, 'not_after', u.not_after)`, where: `NOT EXISTS (${succeeded})` })}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:short-lived-expiry', 'System', 'short_lived_cert_expired', 'certificate', id, jsonb_build_object('serial', serial), 'cert_lifecycle' FROM u)
  SELECT (SELECT count(*)::int FROM u) AS n, ARRAY(SELECT id FROM n) AS ids`,
};
const nextDue = { name: 'short-lived-next', text: `SELECT min(not_after) AS next_due FROM certificates WHERE ${shortLived}` };

export function shortLivedStore(database: Database): ShortLivedStore {
  return {
    async noteEnds(limit) {
      const [row] = await database.query<{ n: number; ids: string[] }>(noteEnds, [limit]);
      return { noted: row?.n ?? 0, notificationIds: row?.ids ?? [] };
    },
    async nextDue() {
      return (await database.query<{ next_due: Date | null }>(nextDue, []))[0]?.next_due ?? undefined;
    },
  };
}
