import type { Database } from './database.ts';
import { notifyFrom } from './notify.ts';

/** What was made of one page of a cause. */
export interface UrgentPage {
  /** Certificates that were looked at. */
  readonly examined: number;
  /** Notifications that somebody is to be told of. */
  readonly ids: readonly string[];
}

/** Certificates that should be replaced before their policy's time, since their CA signs no more or their key was blocked. */
export interface UrgentRenewals {
  /**
   * Looks at the next certificates of a cause. Who can be certified anew becomes due: so many a second, those of a minute together, all within the hour. Whom only a
   * person can help stays as it is and says so; at the end somebody is told.
   *
   * @returns undefined when no cause is due
   */
  hasten(perSecond: number): Promise<UrgentPage | undefined>;
}

// Most certificates of a CA may be ones that nobody here renews. In the statement, so that the planner knows how few it looks at.
const page = 1000;
// Whoever signed while it was noted commits within that time: a second pass meets what the first could not see.
const settled = `interval '5 minutes'`;
/** What begins so was written here, and goes when it no longer holds. */
const urgent = 'renewal is urgent: ';
const hasten = {
  name: 'urgent-renewals',
  text: `WITH u AS (SELECT *, coalesce((SELECT a.state = 'active' AND a.signs_leaves FROM certificate_authorities a WHERE a.id = ca_id), false) AS lifted
          FROM renewal_causes WHERE due_at <= now() ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED),
    v AS (SELECT x.* FROM u, LATERAL (
        (SELECT c.id, c.serial AS place FROM certificates c WHERE c.ca_id = u.ca_id AND c.serial > u.after ORDER BY c.serial LIMIT ${page})
        UNION ALL (SELECT c.id, c.id FROM certificates c WHERE c.spki_sha256 = u.spki_sha256 AND c.id > u.after ORDER BY c.id LIMIT ${page})) x),
    s AS (SELECT m.id AS certificate_id, NULL AS holder_id, m.csr IS NOT NULL AS csr_kept FROM v JOIN managed_certificates m ON m.current_id = v.id AND m.key_source = 'csr'
          UNION ALL SELECT h.certificate_id, h.id, false FROM v JOIN certificate_holders h ON h.current_id = v.id),
    w AS (SELECT s.*, m.name,
            CASE WHEN u.lifted THEN NULL
                 WHEN NOT p.auto_renew THEN 'its policy does not renew it: renew it by hand'
                 WHEN NOT i.enabled THEN 'its issuer ' || i.id || ' is disabled: enable it'
                 WHEN i.type = 'local' AND (ca.state <> 'active' OR NOT ca.signs_leaves) THEN 'the CA ' || ca.id || ' is ' || CASE ca.state WHEN 'active' THEN 'below one that fell' ELSE ca.state END
                   || ': choose another for ' || CASE WHEN i.issuing_ca_id IS NULL THEN 'the profile ' || m.profile_id ELSE 'the issuer ' || i.id END
                 WHEN u.spki_sha256 IS NOT NULL AND s.csr_kept THEN 'the key was revoked for keyCompromise: hand in a CSR of a new key' END AS wants
          FROM u, s JOIN managed_certificates m ON m.id = s.certificate_id AND m.state IN ('active', 'held')
            JOIN renewal_policies p ON p.id = m.policy_id JOIN issuers i ON i.id = m.issuer_id JOIN profiles f ON f.id = m.profile_id
            LEFT JOIN certificate_authorities ca ON ca.id = coalesce(i.issuing_ca_id, f.ca_id)),
    -- a renewal with a kept CSR of a blocked key begins, and waits for another CSR
    t AS (SELECT w.*, NOT u.lifted AND (wants IS NULL OR wants LIKE 'the key %') AS helps FROM u, w),
    k AS (SELECT t.certificate_id, t.holder_id, t.name, t.wants, t.helps, u.lifted,
            now() + make_interval(mins => (u.hastened + row_number() OVER (PARTITION BY t.helps ORDER BY t.certificate_id, t.holder_id)::int - 1) / ($1::int * 60) % 60) AS turn
          FROM u, t),
    m AS (UPDATE managed_certificates o SET updated_at = now(),
            urgent_since = CASE WHEN k.lifted THEN NULL WHEN k.helps OR k.wants LIKE 'its policy %' THEN coalesce(o.urgent_since, now()) ELSE o.urgent_since END,
            renew_at = CASE WHEN k.helps AND o.renew_at > k.turn THEN k.turn ELSE o.renew_at END,
            last_error = CASE WHEN k.wants IS NOT NULL THEN '${urgent}' || k.wants WHEN o.last_error LIKE '${urgent}%' THEN NULL ELSE o.last_error END
          FROM k WHERE o.id = k.certificate_id AND k.holder_id IS NULL),
    h AS (UPDATE certificate_holders o SET
            urgent_since = CASE WHEN k.lifted THEN NULL WHEN k.helps OR k.wants LIKE 'its policy %' THEN coalesce(o.urgent_since, now()) ELSE o.urgent_since END,
            renew_at = CASE WHEN k.helps AND o.renew_at > k.turn THEN k.turn ELSE o.renew_at END,
            last_error = CASE WHEN k.wants IS NOT NULL THEN '${urgent}' || k.wants WHEN o.last_error LIKE '${urgent}%' THEN NULL ELSE o.last_error END
          FROM k WHERE o.id = k.holder_id),
    z AS (SELECT u.id, u.ca_id, u.spki_sha256, u.noted_at, (SELECT max(place) FROM v) AS last, (SELECT count(*) FROM v) < ${page} AS ended,
            u.hastened + (SELECT count(*) FILTER (WHERE helps) FROM k)::int AS hastened, u.left_alone + (SELECT count(wants) FROM k)::int AS left_alone,
            (u.names || ARRAY(SELECT DISTINCT name FROM k WHERE wants IS NOT NULL ORDER BY name LIMIT 20))[1:20] AS names
          FROM u),
    c AS (UPDATE renewal_causes o SET after = CASE WHEN z.ended THEN '' ELSE z.last END, due_at = CASE WHEN z.ended THEN o.noted_at + ${settled} ELSE o.due_at END,
            hastened = CASE WHEN z.ended THEN 0 ELSE z.hastened END, left_alone = CASE WHEN z.ended THEN 0 ELSE z.left_alone END, names = CASE WHEN z.ended THEN '{}' ELSE z.names END
          FROM z WHERE o.id = z.id AND (NOT z.ended OR o.noted_at > now() - ${settled})),
    d AS (DELETE FROM renewal_causes o USING z WHERE o.id = z.id AND z.ended AND o.noted_at <= now() - ${settled}),
    n AS (${notifyFrom('z', 'certificate.urgent', {
      subject: `coalesce(z.ca_id, encode(z.spki_sha256, 'hex'))`,
      dedupe: `z.id || ':' || extract(epoch FROM z.noted_at)`,
      data: `jsonb_build_object('ca', z.ca_id, 'spki_sha256', encode(z.spki_sha256, 'hex'), 'hastened', z.hastened, 'left_alone', z.left_alone, 'names', z.names)`,
      where: 'z.ended AND z.left_alone > 0',
    })}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:renewal-check', 'System', 'renewals_hastened', CASE WHEN z.ca_id IS NULL THEN 'key' ELSE 'intermediate_ca' END, coalesce(z.ca_id, encode(z.spki_sha256, 'hex')),
                 jsonb_build_object('hastened', z.hastened, 'left_alone', z.left_alone), 'cert_lifecycle' FROM z WHERE z.ended AND z.hastened + z.left_alone > 0)
  SELECT (SELECT count(*)::int FROM v) AS examined, ARRAY(SELECT id FROM n) AS ids FROM u`,
};

export function urgentRenewals(database: Database): UrgentRenewals {
  return {
    async hasten(perSecond) {
      return (await database.query<UrgentPage & Record<string, unknown>>(hasten, [perSecond]))[0];
    },
  };
}
