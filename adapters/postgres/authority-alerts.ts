import type { Database } from './database.ts';
import { notifyFrom } from './notify.ts';

/** CAs that end: who must make a successor hears of it years before. */
export interface AuthorityAlerts {
  /** Tells of each CA of a page that has passed a threshold, and sets its next one. @returns the notifications, and how many were due */
  alert(page: number): Promise<{ readonly ids: readonly string[]; readonly examined: number }>;
}

const alert = {
  name: 'authority-alerts',
  text: `WITH d AS (SELECT id, name, state, not_before, not_after, alert_at FROM certificate_authorities WHERE alert_at <= now() ORDER BY alert_at, id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED),
    t AS (SELECT d.*, authority_alert_after(d.not_before, d.not_after, now()) AS next_at, greatest(0, ceil(extract(epoch FROM d.not_after - now()) / 86400))::int AS days_left,
            ARRAY(SELECT p.id FROM profiles p WHERE p.ca_id = d.id AND p.enabled ORDER BY p.id LIMIT 20) AS profiles,
            ARRAY(SELECT i.id FROM issuers i WHERE i.issuing_ca_id = d.id ORDER BY i.id LIMIT 20) AS issuers
          FROM d),
    u AS (UPDATE certificate_authorities SET alert_at = t.next_at FROM t WHERE certificate_authorities.id = t.id),
    n AS (${notifyFrom('t', 'authority.expiring', {
      subject: 't.id',
      dedupe: `t.id || ':' || extract(epoch FROM t.alert_at)`,
      data: `jsonb_build_object('authority', t.id, 'name', t.name, 'state', t.state, 'not_after', t.not_after, 'days_left', t.days_left, 'profiles', t.profiles, 'issuers', t.issuers)`,
    })}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:renewal-check', 'System', 'authority_expiry_alert', 'intermediate_ca', id, jsonb_build_object('not_after', not_after, 'days_left', days_left), 'cert_lifecycle' FROM t)
  SELECT ARRAY(SELECT id FROM n) AS ids, (SELECT count(*)::int FROM d) AS examined`,
};

export function authorityAlerts(database: Database): AuthorityAlerts {
  return {
    async alert(page) {
      const [found] = await database.query<{ ids: string[]; examined: number }>(alert, [page]);
      return found ?? { ids: [], examined: 0 };
    },
  };
}
