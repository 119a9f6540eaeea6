import { reasonCode } from '#domain/revocation/reason.ts';
import { isGraver } from './revoking.ts';

const { caCompromise, certificateHold, keyCompromise } = reasonCode;

/**
 * Revocations that were published and are not known: $1 the CA, $2 serial, revoked_at and reason of each, $3 the shard that listed them. A
 * certificate that is not known either, for it was issued after the backup, may live as long as its CA.
 */
export const takeBack = {
  name: 'crl-take-back',
  text: `WITH RECURSIVE t AS (SELECT * FROM jsonb_to_recordset($2::jsonb) AS t(serial text, revoked_at timestamptz, reason int)),
    r AS (INSERT INTO revocations AS old (ca_id, serial, certificate_id, reason, revoked_by, revoked_at, not_after, crl_shard)
          SELECT $1, t.serial, c.id, t.reason, 'system:restore', t.revoked_at, coalesce(c.not_after, a.not_after, o.not_after, ca.not_after), coalesce($3::int, c.crl_shard)
          FROM t JOIN certificate_authorities ca ON ca.id = $1
            LEFT JOIN certificates c ON c.ca_id = $1 AND c.serial = t.serial
            LEFT JOIN certificate_authorities a ON a.parent_id = $1 AND a.serial = t.serial
            LEFT JOIN ocsp_responders o ON o.ca_id = $1 AND o.serial = t.serial
          ORDER BY t.serial
          ON CONFLICT (ca_id, serial) DO UPDATE SET crl_shard = coalesce(old.crl_shard, excluded.crl_shard),
              reason = CASE WHEN ${isGraver} THEN excluded.reason ELSE old.reason END, revoked_by = CASE WHEN ${isGraver} THEN excluded.revoked_by ELSE old.revoked_by END
            WHERE ${isGraver} OR (old.crl_shard IS NULL AND excluded.crl_shard IS NOT NULL)
          RETURNING serial, certificate_id, reason, revoked_at),
    b AS (INSERT INTO blocked_keys (spki_sha256, reason) SELECT DISTINCT c.spki_sha256, 'keyCompromise' FROM r JOIN certificates c ON c.id = r.certificate_id
          WHERE r.reason = ${keyCompromise} ON CONFLICT DO NOTHING),
    -- who fell with the CA is renewed by another one: renewalCheck hastens that as soon as the CA's own fall is known again
    m AS (UPDATE managed_certificates o SET version = o.version + 1, updated_at = now(), alert_at = NULL, renew_at = CASE r.reason WHEN ${caCompromise} THEN o.renew_at END,
            state = CASE r.reason WHEN ${caCompromise} THEN o.state WHEN ${certificateHold} THEN 'held' ELSE 'revoked' END
          FROM r WHERE o.current_id = r.certificate_id AND o.state IN ('active', 'held') RETURNING o.id, o.state),
    h AS (UPDATE certificate_holders SET renew_at = NULL FROM m WHERE certificate_holders.certificate_id = m.id AND m.state <> 'active'),
    f AS (SELECT a.id, r.reason, r.revoked_at FROM r JOIN certificate_authorities a ON a.parent_id = $1 AND a.serial = r.serial WHERE a.state <> 'revoked'),
    below AS (SELECT id, 0 AS depth FROM f UNION ALL SELECT a.id, below.depth + 1 FROM certificate_authorities a JOIN below ON a.parent_id = below.id WHERE below.depth < 20),
    q AS (UPDATE certificate_authorities SET signs_leaves = false, version = version + 1, updated_at = now() WHERE id IN (SELECT id FROM below) AND id NOT IN (SELECT id FROM f)),
    s AS (UPDATE certificate_authorities a SET state = 'revoked', signs_leaves = false, revoked_at = f.revoked_at, revocation_reason = f.reason, version = version + 1, updated_at = now() FROM f WHERE a.id = f.id)
  SELECT count(*)::int AS n FROM r`,
};
/** A shard that was made after the backup, and with it how many the CA has. */
export const adopt = {
  name: 'crl-shard-adopt',
  text: `WITH s AS (INSERT INTO crl_shards (ca_id, shard, url) VALUES ($1, $2::int, $3) ON CONFLICT DO NOTHING RETURNING url)
    UPDATE certificate_authorities SET crl_shards = least(128, greatest(crl_shards, $2::int, 2)), version = version + 1, updated_at = now() FROM s WHERE id = $1`,
};
const audited = (shard: string): string => `
    INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
    SELECT 'system:restore', 'System', 'revocations_taken_back', 'intermediate_ca', ca_id,
           jsonb_build_object('published_number', $3::text, 'number', $2::text, 'revocations', $4::int, 'shard', ${shard}), 'cert_lifecycle' FROM c`;
/** $1 the CA, $2 the number, $3 the number that was published, $4 how many came back */
export const raiseComplete = {
  name: 'crl-raise',
  text: `WITH c AS (INSERT INTO crls (ca_id, number, status_epoch) VALUES ($1, $2, 1)
          ON CONFLICT (ca_id) DO UPDATE SET number = greatest(crls.number, excluded.number), status_epoch = crls.status_epoch + 1 RETURNING ca_id)${audited('NULL::int')}`,
};
/** The same, and $5 the shard. */
export const raiseShard = {
  name: 'crl-raise-shard',
  text: `WITH c AS (UPDATE crl_shards SET number = greatest(number, $2), status_epoch = status_epoch + 1 WHERE ca_id = $1 AND shard = $5::int RETURNING ca_id)${audited('$5::int')}`,
};
