import { reasonCode } from '#domain/revocation/reason.ts';

const { caCompromise, certificateHold, keyCompromise } = reasonCode;

/**
 * Revocations that were published and are not known: $1 the CA, $2 serial, revoked_at and reason of each. A certificate that is not known
 * either, for it was issued after the backup, may live as long as its CA.
 */
export const takeBack = {
  name: 'crl-take-back',
  text: `WITH RECURSIVE t AS (SELECT * FROM jsonb_to_recordset($2::jsonb) AS t(serial text, revoked_at timestamptz, reason int)),
    r AS (INSERT INTO revocations AS old (ca_id, serial, certificate_id, reason, revoked_by, revoked_at, not_after)
          SELECT $1, t.serial, c.id, t.reason, 'system:restore', t.revoked_at, coalesce(c.not_after, a.not_after, o.not_after, ca.not_after)
          FROM t JOIN certificate_authorities ca ON ca.id = $1
            LEFT JOIN certificates c ON c.ca_id = $1 AND c.serial = t.serial
            LEFT JOIN certificate_authorities a ON a.parent_id = $1 AND a.serial = t.serial
            LEFT JOIN ocsp_responders o ON o.ca_id = $1 AND o.serial = t.serial
          ORDER BY t.serial
          ON CONFLICT (ca_id, serial) DO UPDATE SET reason = excluded.reason, revoked_by = excluded.revoked_by
            WHERE (old.reason = ${certificateHold} AND excluded.reason <> ${certificateHold})
               OR (old.reason <> ${keyCompromise} AND excluded.reason = ${keyCompromise})
          RETURNING serial, certificate_id, reason, revoked_at),
    b AS (INSERT INTO blocked_keys (spki_sha256, reason) SELECT DISTINCT c.spki_sha256, 'keyCompromise' FROM r JOIN certificates c ON c.id = r.certificate_id
          WHERE r.reason = ${keyCompromise} ON CONFLICT DO NOTHING),
    -- who fell with the CA is renewed by another one
    m AS (UPDATE managed_certificates o SET version = o.version + 1, updated_at = now(), alert_at = NULL, renew_at = CASE r.reason WHEN ${caCompromise} THEN now() END,
            state = CASE r.reason WHEN ${caCompromise} THEN o.state WHEN ${certificateHold} THEN 'held' ELSE 'revoked' END
          FROM r WHERE o.current_id = r.certificate_id AND o.state IN ('active', 'held') RETURNING o.id, o.state),
    h AS (UPDATE certificate_holders SET renew_at = NULL FROM m WHERE certificate_holders.certificate_id = m.id AND m.state <> 'active'),
    f AS (SELECT a.id, r.reason, r.revoked_at FROM r JOIN certificate_authorities a ON a.parent_id = $1 AND a.serial = r.serial WHERE a.state <> 'revoked'),
    below AS (SELECT id, 0 AS depth FROM f UNION ALL SELECT a.id, below.depth + 1 FROM certificate_authorities a JOIN below ON a.parent_id = below.id WHERE below.depth < 20),
    q AS (UPDATE certificate_authorities SET signs_leaves = false, updated_at = now() WHERE id IN (SELECT id FROM below) AND id NOT IN (SELECT id FROM f)),
    s AS (UPDATE certificate_authorities a SET state = 'revoked', signs_leaves = false, revoked_at = f.revoked_at, revocation_reason = f.reason, updated_at = now() FROM f WHERE a.id = f.id)
  SELECT count(*)::int AS n FROM r`,
};
/** $1 the CA, $2 the number, $3 the number that was published, $4 how many came back */
export const raise = {
  name: 'crl-raise',
  text: `WITH c AS (INSERT INTO crls (ca_id, number, status_epoch) VALUES ($1, $2, 1)
          ON CONFLICT (ca_id) DO UPDATE SET number = greatest(crls.number, excluded.number), status_epoch = crls.status_epoch + 1 RETURNING ca_id)
    INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
    SELECT 'system:restore', 'System', 'revocations_taken_back', 'intermediate_ca', ca_id,
           jsonb_build_object('published_number', $3::text, 'number', $2::text, 'revocations', $4::int), 'cert_lifecycle' FROM c`,
};
