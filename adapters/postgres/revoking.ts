import { reasonCode } from '#domain/revocation/reason.ts';
import { notifyFrom } from './notify.ts';

const { keyCompromise, certificateHold } = reasonCode;

/** Whether the reason of a row that is inserted over another (`old`) counts instead: a hold may become a revocation, and any reason keyCompromise. */
export const isGraver = `((old.reason = ${certificateHold} AND excluded.reason <> ${certificateHold}) OR (old.reason <> ${keyCompromise} AND excluded.reason = ${keyCompromise}))`;

/**
 * What a revocation is made of, as CTEs of one statement: the rows `r`, epochs `e`, blocked keys `b`, CRL jobs `j` with their outbox `x`.
 * Whoever is revoked already stays so; a hold may become a revocation, and any reason keyCompromise. The moment stays
 * that of the first: what is doubtful since then is no less doubtful for a better reason.
 *
 * @param from a CTE with the columns id, ca_id, serial, not_after, spki_sha256, crl_shard
 * @param reason SQL expression, an int; `actor`: likewise, a text
 * @param publishNow SQL condition under which CRL jobs are made at once; without them crlGeneration finds the lists due
 */
export function revokingFrom(from: string, reason: string, actor: string, publishNow = 'true'): string {
  return `r AS (INSERT INTO revocations AS old (ca_id, serial, certificate_id, reason, revoked_by, not_after, crl_shard)
          SELECT ca_id, serial, id, ${reason}, ${actor}, not_after, crl_shard FROM ${from} ORDER BY ca_id, serial
          ON CONFLICT (ca_id, serial) DO UPDATE SET reason = excluded.reason, revoked_by = excluded.revoked_by
            WHERE ${isGraver}
          RETURNING ca_id, serial, certificate_id, reason, revoked_at, crl_shard),
    b AS (INSERT INTO blocked_keys (spki_sha256, reason) SELECT DISTINCT spki_sha256, 'keyCompromise' FROM ${from} WHERE ${reason} = ${keyCompromise} ON CONFLICT DO NOTHING),
    ${republishing('r', publishNow)}`;
}

/** The statement that tells of the revocations in the CTE `r`. */
export const revokedNotices = notifyFrom('r', 'certificate.revoked', {
  subject: 'certificate_id',
  dedupe: `ca_id || ':' || serial || ':' || extract(epoch FROM revoked_at) || ':' || reason`,
  data: `jsonb_build_object('certificate', certificate_id, 'serial', serial, 'reason', reason)`,
});

/**
 * CTEs that make the CRLs due which the columns ca_id and crl_shard of another name: epochs `e` and `es`, jobs `j`, outbox `x`. Who joins a job that there is
 * holds its row until the commit: the job cannot end, and look at the list for the last time, before what joined it is seen.
 */
export function republishing(changed: string, publishNow = 'true'): string {
  return `a AS (SELECT DISTINCT ca_id, crl_shard FROM ${changed} ORDER BY ca_id, crl_shard),
    e AS (INSERT INTO crls (ca_id, status_epoch) SELECT ca_id, 1 FROM a WHERE crl_shard IS NULL ON CONFLICT (ca_id) DO UPDATE SET status_epoch = crls.status_epoch + 1
          RETURNING ca_id),
    ks AS (SELECT s.ca_id, s.shard FROM crl_shards s JOIN a ON a.ca_id = s.ca_id AND a.crl_shard = s.shard ORDER BY s.ca_id, s.shard FOR UPDATE OF s),
    es AS (UPDATE crl_shards s SET status_epoch = s.status_epoch + 1 FROM ks WHERE s.ca_id = ks.ca_id AND s.shard = ks.shard RETURNING s.ca_id, s.shard),
    ls AS (SELECT ca_id AS scope FROM e UNION ALL SELECT ca_id || '/' || shard FROM es ORDER BY scope),
    j AS (INSERT INTO jobs (id, type, subject_id, max_attempts) SELECT 'job-' || replace(gen_random_uuid()::text, '-', ''), 'crl', scope, 10 FROM ls WHERE ${publishNow}
          ON CONFLICT (type, subject_id) WHERE status IN ('pending', 'running') DO UPDATE SET run_at = jobs.run_at RETURNING id, status),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'job', id FROM j WHERE status = 'pending')`;
}
