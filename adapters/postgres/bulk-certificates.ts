import { CaError } from '#domain/error.ts';
import type { Database } from './database.ts';
import type { Condition } from './keyset.ts';
import { notifyFrom } from './notify.ts';
import { restless } from './renewal-policies.ts';

/** What decides whether a certificate takes part in a change of many. */
export interface Candidate {
  readonly id: string;
  readonly state: 'pending' | 'active' | 'revoked' | 'archived';
  readonly keySource: 'csr' | 'agent';
  readonly ownerId: string | undefined;
  readonly teamId: string | undefined;
  /** A version that has not ended comes from a CA elsewhere. */
  readonly foreign: boolean;
  /** A job is at it, or will be again. */
  readonly busy: boolean;
  /** A policy rule that blocks is broken. */
  readonly blocked: boolean;
}

export interface BulkCertificates {
  /** In the order of their ids. @param limit at most so many */
  candidates(conditions: readonly Condition[], limit: number): Promise<readonly Candidate[]>;
  /** State, revocations, CRL jobs, notifications and audit in one commit. @returns who was revoked, and jobs and notifications to hint at */
  revoke(
    ids: readonly string[],
    reason: number,
    actor: string,
  ): Promise<{ readonly ids: readonly string[]; readonly jobIds: readonly string[]; readonly notificationIds: readonly string[] }>;
  /** @returns who has a new job, and the jobs */
  renew(ids: readonly string[], actor: string): Promise<{ readonly ids: readonly string[]; readonly jobIds: readonly string[] }>;
  /** Without a team each keeps its own. @returns who was given away */
  reassign(ids: readonly string[], ownerId: string, teamId: string | undefined, actor: string): Promise<readonly string[]>;
}

const columns = `m.id, m.state, m.key_source, m.owner_id, m.team_id,
  EXISTS (SELECT FROM certificates c WHERE c.managed_id = m.id AND c.ca_id IS NULL AND c.not_after > now()) AS foreign_version,
  ${restless} AS busy,
  EXISTS (SELECT FROM policy_findings f WHERE f.certificate_id = m.id AND f.enforcement = 'block') AS blocked`;
const revoke = {
  name: 'bulk-revoke',
  text: `WITH t AS (SELECT id, name FROM managed_certificates WHERE id = ANY($1::text[]) AND state IN ('pending', 'active') ORDER BY id FOR UPDATE),
    m AS (UPDATE managed_certificates SET state = 'revoked', renew_at = NULL, alert_at = NULL, version = version + 1, updated_at = now()
          FROM t WHERE managed_certificates.id = t.id RETURNING managed_certificates.id),
    k AS (UPDATE jobs SET status = 'cancelled', retryable = false, completed_at = now(), state_entered_at = now(), lease_token = NULL, lease_expires_at = NULL
          FROM t WHERE ((subject_id = t.id AND type IN ('issuance', 'renewal'))
              OR (type = 'csr' AND subject_id IN (SELECT h.id FROM certificate_holders h WHERE h.certificate_id = t.id)))
            AND (status IN ('pending', 'awaiting_csr', 'awaiting_approval', 'running') OR retryable)),
    h AS (UPDATE certificate_holders SET renew_at = NULL FROM t WHERE certificate_id = t.id),
    v AS (SELECT c.id, c.ca_id, c.serial, c.not_after, c.spki_sha256 FROM certificates c JOIN t ON c.managed_id = t.id WHERE c.not_after > now() AND c.ca_id IS NOT NULL),
    r AS (INSERT INTO revocations (ca_id, serial, certificate_id, reason, revoked_by, not_after) SELECT ca_id, serial, id, $2, $3, not_after FROM v
          ON CONFLICT (ca_id, serial) DO NOTHING RETURNING ca_id, serial, certificate_id),
    b AS (INSERT INTO blocked_keys (spki_sha256, reason) SELECT DISTINCT spki_sha256, 'keyCompromise' FROM v WHERE $2::int = 1 ON CONFLICT DO NOTHING),
    a AS (SELECT DISTINCT ca_id FROM r),
    e AS (INSERT INTO crls (ca_id, status_epoch) SELECT ca_id, 1 FROM a ON CONFLICT (ca_id) DO UPDATE SET status_epoch = crls.status_epoch + 1),
    j AS (INSERT INTO jobs (id, type, subject_id, max_attempts) SELECT 'job-' || replace(gen_random_uuid()::text, '-', ''), 'crl', ca_id, 10 FROM a
          ON CONFLICT (type, subject_id) WHERE status IN ('pending', 'running') DO NOTHING RETURNING id),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'job', id FROM j),
    n AS (${notifyFrom('r', 'certificate.revoked', { subject: 'certificate_id', dedupe: `ca_id || ':' || serial`, data: `jsonb_build_object('certificate', certificate_id, 'serial', serial, 'reason', $2::int)` })}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $3, 'APIKey', 'revokeCertificate', 'managed_certificate', t.id,
                 jsonb_build_object('reason', $2::int, 'serials', coalesce((SELECT jsonb_agg(r.serial) FROM r JOIN certificates c ON c.id = r.certificate_id WHERE c.managed_id = t.id), '[]')), 'cert_lifecycle'
          FROM t JOIN m ON m.id = t.id)
  SELECT ARRAY(SELECT id FROM m ORDER BY id) AS ids, ARRAY(SELECT id FROM j) AS jobs, ARRAY(SELECT id FROM n) AS notifications`,
};
const renew = {
  name: 'bulk-renew',
  text: `WITH t AS (SELECT m.id, r.max_retries FROM managed_certificates m JOIN renewal_policies r ON r.id = m.policy_id
                    WHERE m.id = ANY($1::text[]) AND m.state IN ('pending', 'active') AND m.key_source = 'csr' ORDER BY m.id FOR UPDATE OF m),
    j AS (INSERT INTO jobs (id, type, subject_id, max_attempts, requested_by)
          SELECT 'job-' || replace(gen_random_uuid()::text, '-', ''), 'renewal', id, greatest(1, max_retries), $2 FROM t
          ON CONFLICT (subject_id) WHERE type IN ('issuance', 'renewal') AND (status IN ('pending', 'awaiting_csr', 'awaiting_approval', 'running') OR retryable)
          DO NOTHING RETURNING id, subject_id),
    u AS (UPDATE managed_certificates SET renew_at = NULL, updated_at = now() FROM j WHERE managed_certificates.id = j.subject_id),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'job', id FROM j),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $2, 'APIKey', 'renewCertificate', 'managed_certificate', subject_id, jsonb_build_object('job', id), 'cert_lifecycle' FROM j)
  SELECT ARRAY(SELECT subject_id FROM j ORDER BY subject_id) AS ids, ARRAY(SELECT id FROM j) AS jobs`,
};
const reassign = {
  name: 'bulk-reassign',
  text: `WITH m AS (UPDATE managed_certificates SET owner_id = $2, team_id = coalesce($3, team_id), version = version + 1, updated_at = now()
                    WHERE id = ANY($1::text[]) AND state <> 'archived' RETURNING id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $4, 'APIKey', 'reassignCertificate', 'managed_certificate', id, jsonb_build_object('owner', $2::text, 'team', $3::text), 'cert_lifecycle' FROM m)
  SELECT ARRAY(SELECT id FROM m ORDER BY id) AS ids`,
};

/** Changes of many certificates, each kind in one statement and one commit. */
export function bulkCertificates(database: Database): BulkCertificates {
  return {
    async candidates(conditions, limit) {
      const values: unknown[] = [];
      const where = conditions.flatMap(([sql, ...given]) => {
        if (given[0] === undefined) return [];
        let index = 0;
        return [sql.replace(/\?/g, () => `$${values.push(given[index++])}`)];
      });
      const text = `SELECT ${columns} FROM managed_certificates m WHERE ${where.join(' AND ')} ORDER BY m.id LIMIT ${limit}`;
      const rows = await database.query<{
        id: string;
        state: Candidate['state'];
        key_source: Candidate['keySource'];
        owner_id: string | null;
        team_id: string | null;
        foreign_version: boolean;
        busy: boolean;
        blocked: boolean;
      }>({ name: '', text }, values);
      return rows.map((row) => ({
        id: row.id,
        state: row.state,
        keySource: row.key_source,
        ownerId: row.owner_id ?? undefined,
        teamId: row.team_id ?? undefined,
        foreign: row.foreign_version,
        busy: row.busy,
        blocked: row.blocked,
      }));
    },
    async revoke(ids, reason, actor) {
      const [row] = await database.query<{ ids: string[]; jobs: string[]; notifications: string[] }>(revoke, [ids, reason, actor]);
      return { ids: row?.ids ?? [], jobIds: row?.jobs ?? [], notificationIds: row?.notifications ?? [] };
    },
    async renew(ids, actor) {
      const [row] = await database.query<{ ids: string[]; jobs: string[] }>(renew, [ids, actor]);
      return { ids: row?.ids ?? [], jobIds: row?.jobs ?? [] };
    },
    async reassign(ids, ownerId, teamId, actor) {
      try {
        return (await database.query<{ ids: string[] }>(reassign, [ids, ownerId, teamId ?? null, actor]))[0]?.ids ?? [];
      } catch (error) {
        if ((error as { code?: string }).code !== '23503') throw error;
        throw new CaError('malformed', 'the body: no such owner or team', { cause: error });
      }
    },
  };
}
