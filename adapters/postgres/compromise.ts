import { CaError } from '#domain/error.ts';
import type { AuthorityState } from '#domain/issuance/authority-lifecycle.ts';
import type { CompromiseStore, CompromiseWork } from '#domain/revocation/compromise.ts';
import { reasonCode } from '#domain/revocation/reason.ts';
import { parseCertificate } from '#domain/x509/certificate.ts';
import type { Database, Session } from './database.ts';
import { held } from './jobs.ts';
import { republishing, revokingFrom } from './revoking.ts';

const { caCompromise, certificateHold } = reasonCode;
const page = 500;
const maxDepth = 20;

const stands = (leaf: string): string =>
  `${leaf}.not_after > now() AND NOT EXISTS (SELECT FROM revocations s WHERE s.ca_id = ${leaf}.ca_id AND s.serial = ${leaf}.serial AND s.reason <> ${certificateHold})`;
const survey = {
  name: 'compromise-survey',
  text: `WITH RECURSIVE below AS (
      SELECT id, 0 AS depth FROM certificate_authorities WHERE id = $1
      UNION ALL SELECT c.id, b.depth + 1 FROM certificate_authorities c JOIN below b ON c.parent_id = b.id WHERE $2 AND b.depth < ${maxDepth})
    SELECT c.id, c.name, c.parent_id, c.state, (SELECT count(*)::int FROM certificates l WHERE l.ca_id = c.id AND ${stands('l')}) AS leaves,
      ARRAY(SELECT 'issuer ' || id FROM issuers WHERE issuing_ca_id = c.id UNION ALL SELECT 'profile ' || id FROM profiles WHERE ca_id = c.id AND enabled) AS chosen_by
    FROM below JOIN certificate_authorities c USING (id) ORDER BY below.depth, c.id`,
};
const lockTop = {
  name: 'compromise-lock',
  text: `SELECT id, parent_id, state, certificate FROM certificate_authorities WHERE id = $1 FOR UPDATE`,
};
// Whoever makes a child holds the parent's lock: below a level that is locked nothing appears.
const lockBelow = {
  name: 'compromise-lock-below',
  text: `SELECT id, parent_id, state, certificate FROM certificate_authorities WHERE parent_id = ANY($1::text[]) ORDER BY id FOR UPDATE`,
};
const declare = {
  name: 'compromise-declare',
  text: `WITH t AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS t(id text, parent_id text, state text, serial text, not_after timestamptz)),
    c AS (UPDATE certificate_authorities SET state = 'revoked', signs_leaves = false, revoked_at = now(), revocation_reason = ${caCompromise}, version = version + 1, updated_at = now()
          FROM t WHERE certificate_authorities.id = t.id RETURNING t.id, t.state, certificate_authorities.name, certificate_authorities.issuer_id),
    q AS (UPDATE certificate_authorities SET signs_leaves = false, version = version + 1, updated_at = now() WHERE id = ANY($2::text[]) AND id NOT IN (SELECT id FROM t) AND signs_leaves),
    r AS (INSERT INTO revocations (ca_id, serial, reason, revoked_by, not_after) SELECT parent_id, serial, ${caCompromise}, $4, not_after FROM t WHERE parent_id IS NOT NULL
          ON CONFLICT DO NOTHING RETURNING ca_id, crl_shard),
    ${republishing('r')},
    w AS (INSERT INTO jobs (id, type, subject_id, payload, max_attempts, requested_by)
          SELECT 'job-' || replace(gen_random_uuid()::text, '-', ''), 'compromise', id, jsonb_build_object('actor', $4::text), 10, $4 FROM unnest($3::text[]) AS id
          ON CONFLICT (type, subject_id) WHERE status IN ('pending', 'running') DO NOTHING RETURNING id),
    y AS (INSERT INTO outbox (topic, subject_id) SELECT 'job', id FROM w),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $4, 'APIKey', 'intermediate_ca_compromised', 'intermediate_ca', id,
                 jsonb_build_object('issuer', issuer_id, 'name', name, 'state', 'revoked', 'state_before', state, 'reason', ${caCompromise}, 'declared_for', $5::text), 'config' FROM c)
  SELECT id FROM j UNION ALL SELECT id FROM w`,
};
const isSigning = {
  name: 'compromise-signing',
  text: `SELECT FROM signing_log s WHERE ca_id = $1 AND certificate_id IS NULL AND reserved_at > now() - interval '5 minutes'
           AND NOT EXISTS (SELECT FROM certificate_authorities a WHERE a.parent_id = s.ca_id AND a.serial = s.serial) LIMIT 1`,
};
// What renews by itself is hastened by renewalCheck, which the fall of the CA is noted for.
const revokeNext = {
  name: 'compromise-next',
  text: `WITH h AS (SELECT id, subject_id, payload FROM jobs WHERE ${held} FOR UPDATE),
    v AS (SELECT c.id, c.ca_id, c.serial, c.not_after, c.spki_sha256, c.crl_shard FROM h, certificates c WHERE c.ca_id = h.subject_id AND c.serial > $3 AND ${stands('c')}
          ORDER BY c.serial LIMIT ${page}),
    ${revokingFrom('v', String(caCompromise), `(SELECT payload ->> 'actor' FROM h)`, 'false')},
    u AS (UPDATE jobs SET lease_expires_at = now() + interval '60 seconds',
            payload = h.payload || jsonb_build_object('revoked', coalesce((h.payload ->> 'revoked')::int, 0) + (SELECT count(*) FROM r)) FROM h WHERE jobs.id = h.id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT h.payload ->> 'actor', 'APIKey', 'certificates_revoked', 'intermediate_ca', h.subject_id,
                 jsonb_build_object('reason', ${caCompromise}, 'job', h.id, 'serials', (SELECT jsonb_agg(serial) FROM r)), 'cert_lifecycle' FROM h WHERE EXISTS (SELECT FROM r))
  SELECT (SELECT count(*)::int FROM v) AS met, (SELECT max(serial) FROM v) AS last FROM h`,
};

interface LockedAuthority {
  id: string;
  parent_id: string | null;
  state: AuthorityState;
  certificate: Buffer;
}

/** The fall of a CA, with all that rests on it. */
export function compromiseStore(database: Database): CompromiseStore & CompromiseWork {
  return {
    async survey(caId, descendants) {
      const rows = await database.query<{
        id: string;
        name: string;
        parent_id: string | null;
        state: AuthorityState;
        leaves: number;
        chosen_by: string[];
      }>(survey, [caId, descendants]);
      if (rows.length === 0) throw new CaError('notFound', 'no such certificate authority');
      return rows.map((row) => ({
        id: row.id,
        name: row.name,
        parentId: row.parent_id ?? undefined,
        state: row.state,
        leaves: row.leaves,
        chosenBy: row.chosen_by,
      }));
    },
    declare: (caId, descendants, actor) =>
      database.transaction(async (session) => {
        const all = await lockDown(session, caId);
        const meant = descendants ? all : all.slice(0, 1);
        const fallen = meant
          .filter(({ state }) => state !== 'revoked')
          .map(({ certificate, ...row }) => {
            const { serial, notAfter } = parseCertificate(certificate);
            return { ...row, serial, not_after: notAfter };
          });
        const ids = all.map(({ id }) => id);
        const withLeaves = descendants ? ids : [];
        const jobs = await session.query<{ id: string }>(declare, [JSON.stringify(fallen), ids, withLeaves, actor, caId]);
        return jobs.map(({ id }) => id);
      }),
    isSigning: async (caId) => (await database.query(isSigning, [caId])).length === 1,
    async revokeNext(job, after) {
      const [row] = await database.query<{ met: number; last: string | null }>(revokeNext, [job.id, job.leaseToken, after]);
      return row && { last: row.met < page ? undefined : (row.last ?? undefined) };
    },
  };
}

/** The CA and all below it, locked, from the top down. */
async function lockDown(session: Session, caId: string): Promise<readonly LockedAuthority[]> {
  let level = await session.query<LockedAuthority>(lockTop, [caId]);
  if (level.length === 0) throw new CaError('notFound', 'no such certificate authority');
  const all: LockedAuthority[] = [];
  for (let depth = 0; depth <= maxDepth && level.length > 0; depth++) {
    all.push(...level);
    level = await session.query<LockedAuthority>(lockBelow, [level.map(({ id }) => id)]);
  }
  return all;
}
