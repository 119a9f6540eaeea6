import { CaError } from '#domain/error.ts';
import { reasonCode } from '#domain/revocation/reason.ts';
import type { Database } from './database.ts';
import { catchUp, withdrawnOf } from './deployments.ts';
import type { Condition } from './keyset.ts';
import { cancelled, isOpen } from './open-job.ts';
import { alertAtByPolicy, holdersFollow, renewAtByPolicy, restless } from './renewal-policies.ts';
import { republishing, revokedNotices, revokingFrom } from './revoking.ts';

const { certificateHold } = reasonCode;

/** What decides whether a certificate takes part in a change of many. */
export interface Candidate {
  readonly id: string;
  readonly state: 'pending' | 'active' | 'held' | 'revoked' | 'archived';
  /** Of its versions that have not ended; undefined: none is revoked. */
  readonly reason: number | undefined;
  /** A version that has not ended is not revoked. */
  readonly live: boolean;
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
  /** By the rules of `domain/revocation/reason.ts`: state, revocations, CRL jobs, notifications and audit in one commit. @returns who was revoked, and jobs and notifications to hint at */
  revoke(
    ids: readonly string[],
    reason: number,
    actor: string,
  ): Promise<{ readonly ids: readonly string[]; readonly jobIds: readonly string[]; readonly notificationIds: readonly string[] }>;
  /** Sets free who is held, and deploys what waited for that. @returns who was, jobs to hint at, and agents that have work */
  release(
    ids: readonly string[],
    actor: string,
  ): Promise<{ readonly ids: readonly string[]; readonly jobIds: readonly string[]; readonly agentIds: readonly string[] }>;
  /** @returns who has a new job, and the jobs */
  renew(ids: readonly string[], actor: string): Promise<{ readonly ids: readonly string[]; readonly jobIds: readonly string[] }>;
  /** Without a team each keeps its own. @returns who was given away */
  reassign(ids: readonly string[], ownerId: string, teamId: string | undefined, actor: string): Promise<readonly string[]>;
}

const columns = `m.id, m.state, m.key_source, m.owner_id, m.team_id,
  (SELECT coalesce(r.reason, u.reason) FROM certificates c LEFT JOIN revocations r ON r.ca_id = c.ca_id AND r.serial = c.serial
     LEFT JOIN upstream_revocations u ON u.certificate_id = c.id
   WHERE c.managed_id = m.id AND coalesce(r.reason, u.reason) IS NOT NULL ORDER BY c.not_before DESC, c.id DESC LIMIT 1) AS reason,
  EXISTS (SELECT FROM certificates c WHERE c.managed_id = m.id AND c.ca_id IS NOT NULL AND c.not_after > now()
          AND NOT EXISTS (SELECT FROM revocations r WHERE r.ca_id = c.ca_id AND r.serial = c.serial)) AS live,
  EXISTS (SELECT FROM certificates c WHERE c.managed_id = m.id AND c.ca_id IS NULL AND c.not_after > now()) AS foreign_version,
  ${restless} AS busy,
  EXISTS (SELECT FROM policy_findings f WHERE f.certificate_id = m.id AND f.enforcement = 'block') AS blocked`;
// A state that a reason leads to: hold from a life, revocation from a hold too, and a better reason or a late version once more.
const revoke = {
  name: 'bulk-revoke',
  text: `WITH t AS (SELECT id, state FROM managed_certificates
               WHERE id = ANY($1::text[]) AND (state = 'active' OR state = CASE $2::int WHEN ${certificateHold} THEN 'held' ELSE 'pending' END OR ($2::int <> ${certificateHold} AND state IN ('held', 'revoked')))
               ORDER BY id FOR UPDATE),
    m AS (UPDATE managed_certificates SET state = CASE $2::int WHEN ${certificateHold} THEN 'held' ELSE 'revoked' END, renew_at = NULL, alert_at = NULL, version = version + 1, updated_at = now()
          FROM t WHERE managed_certificates.id = t.id AND t.state <> CASE $2::int WHEN ${certificateHold} THEN 'held' ELSE 'revoked' END RETURNING managed_certificates.id),
    k AS (UPDATE jobs SET ${cancelled}
          FROM t WHERE ((subject_id = t.id AND type IN ('issuance', 'renewal'))
              OR (type = 'csr' AND subject_id IN (SELECT h.id FROM certificate_holders h WHERE h.certificate_id = t.id)))
            AND ${isOpen}),
    w AS (${withdrawnOf('t')}),
    h AS (UPDATE certificate_holders SET renew_at = NULL FROM t WHERE certificate_id = t.id),
    v AS (SELECT c.id, c.ca_id, c.serial, c.not_after, c.spki_sha256, c.crl_shard FROM certificates c JOIN t ON c.managed_id = t.id WHERE c.not_after > now() AND c.ca_id IS NOT NULL),
    ${revokingFrom('v', '$2::int', '$3::text')},
    n AS (${revokedNotices}),
    f AS (INSERT INTO upstream_revocations (certificate_id, issuer_id, reason, revoked_by)
          SELECT c.id, c.issuer_id, $2::int, $3 FROM certificates c JOIN t ON c.managed_id = t.id WHERE c.not_after > now() AND c.ca_id IS NULL AND $2::int <> ${certificateHold}
          ON CONFLICT (certificate_id) DO NOTHING RETURNING certificate_id, reason),
    fj AS (INSERT INTO jobs (id, type, subject_id, max_attempts, requested_by)
          SELECT 'job-' || replace(gen_random_uuid()::text, '-', ''), 'revocation', certificate_id, 10, $3 FROM f RETURNING id),
    fx AS (INSERT INTO outbox (topic, subject_id) SELECT 'job', id FROM fj),
    fb AS (INSERT INTO blocked_keys (spki_sha256, reason) SELECT DISTINCT c.spki_sha256, 'keyCompromise' FROM f JOIN certificates c ON c.id = f.certificate_id
          WHERE f.reason = 1 AND c.spki_sha256 NOT IN (SELECT spki_sha256 FROM v) ON CONFLICT DO NOTHING),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $3, 'APIKey', 'revokeCertificate', 'managed_certificate', t.id,
                 jsonb_build_object('reason', $2::int, 'serials', coalesce((SELECT jsonb_agg(r.serial) FROM r JOIN certificates c ON c.id = r.certificate_id WHERE c.managed_id = t.id), '[]')), 'cert_lifecycle'
          FROM t WHERE EXISTS (SELECT FROM m WHERE m.id = t.id) OR EXISTS (SELECT FROM r JOIN certificates c ON c.id = r.certificate_id WHERE c.managed_id = t.id))
  SELECT ARRAY(SELECT id FROM t ORDER BY id) AS ids, ARRAY(SELECT id FROM j UNION ALL SELECT id FROM fj) AS jobs, ARRAY(SELECT id FROM n) AS notifications`,
};
// Held versions leave the list, and what is due is due by the policy again.
const release = {
  name: 'bulk-release',
  text: `WITH t AS (SELECT id FROM managed_certificates WHERE id = ANY($1::text[]) AND state = 'held' ORDER BY id FOR UPDATE),
    r AS (DELETE FROM revocations USING certificates c JOIN t ON c.managed_id = t.id
          WHERE revocations.certificate_id = c.id AND revocations.reason = ${certificateHold} RETURNING revocations.ca_id, revocations.serial, revocations.crl_shard, c.managed_id),
    m AS (UPDATE managed_certificates m SET state = 'active', version = m.version + 1, updated_at = now(),
            renew_at = CASE WHEN m.key_source = 'csr' THEN ${renewAtByPolicy} END, alert_at = ${alertAtByPolicy}
          FROM t, renewal_policies p WHERE m.id = t.id AND p.id = m.policy_id RETURNING m.id),
    ${republishing('r')},
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $2, 'APIKey', 'releaseCertificate', 'managed_certificate', m.id,
                 jsonb_build_object('serials', coalesce((SELECT jsonb_agg(r.serial) FROM r WHERE r.managed_id = m.id), '[]')), 'cert_lifecycle' FROM m)
  SELECT ARRAY(SELECT id FROM m ORDER BY id) AS ids, ARRAY(SELECT id FROM j) AS jobs`,
};
const followHeld = { name: 'bulk-release-holders', text: holdersFollow('m.id = ANY($1::text[])') };
const renew = {
  name: 'bulk-renew',
  text: `WITH t AS (SELECT m.id, r.max_retries FROM managed_certificates m JOIN renewal_policies r ON r.id = m.policy_id
                    WHERE m.id = ANY($1::text[]) AND m.state IN ('pending', 'active') AND m.key_source = 'csr' ORDER BY m.id FOR UPDATE OF m),
    j AS (INSERT INTO jobs (id, type, subject_id, max_attempts, requested_by)
          SELECT 'job-' || replace(gen_random_uuid()::text, '-', ''), 'renewal', id, greatest(1, max_retries), $2 FROM t
          ON CONFLICT (subject_id) WHERE type IN ('issuance', 'renewal') AND ${isOpen}
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
        reason: number | null;
        live: boolean;
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
        reason: row.reason ?? undefined,
        live: row.live,
        foreign: row.foreign_version,
        busy: row.busy,
        blocked: row.blocked,
      }));
    },
    async revoke(ids, reason, actor) {
      const [row] = await database.query<{ ids: string[]; jobs: string[]; notifications: string[] }>(revoke, [ids, reason, actor]);
      return { ids: row?.ids ?? [], jobIds: row?.jobs ?? [], notificationIds: row?.notifications ?? [] };
    },
    release: (ids, actor) =>
      database.transaction(async (session) => {
        const [row] = await session.query<{ ids: string[]; jobs: string[] }>(release, [ids, actor]);
        await session.query(followHeld, [row?.ids ?? []]);
        const agentIds = await catchUp(session, { certificates: row?.ids ?? [] }, actor);
        return { ids: row?.ids ?? [], jobIds: row?.jobs ?? [], agentIds };
      }),
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
