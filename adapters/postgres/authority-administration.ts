import { createHash } from 'node:crypto';
import { CaError } from '#domain/error.ts';
import type { AuthorityAdministration, AuthorityRecord, NewAuthority } from '#domain/issuance/authority-administration.ts';
import { nextState, retireEvent, type AuthorityState } from '#domain/issuance/authority-lifecycle.ts';
import { crlUrlBase } from '#domain/revocation/crl-scope.ts';
import { parseCertificate } from '#domain/x509/certificate.ts';
import { authorityColumns, authorityOf, requestColumns, requestOf, type AuthorityRow, type RequestRow } from './authority-rows.ts';
import { makeShards } from './crl-shards.ts';
import { isDuplicate, type Database, type Session } from './database.ts';

const issuer = { name: 'authority-issuer', text: `SELECT type FROM issuers WHERE id = $1` };
export const authorityList = {
  name: 'authorities',
  text: `SELECT ${authorityColumns} FROM certificate_authorities WHERE issuer_id = $1 ORDER BY created_at, id`,
};
export const authorityRequestList = {
  name: 'authority-requests',
  text: `SELECT ${requestColumns} FROM authority_requests WHERE issuer_id = $1 ORDER BY created_at, id`,
};
const find = { name: 'authority', text: `SELECT ${authorityColumns} FROM certificate_authorities WHERE id = $1` };
const findRequest = { name: 'authority-request', text: `SELECT ${requestColumns} FROM authority_requests WHERE id = $1` };
export const authorityChildList = {
  name: 'authority-children',
  text: `SELECT ${authorityColumns} FROM certificate_authorities WHERE parent_id = $1 ORDER BY created_at, id`,
};
const lock = { name: 'authority-lock', text: `SELECT ${authorityColumns} FROM certificate_authorities WHERE id = $1 FOR UPDATE` };
// A CA of depth 10 gets no child; the path validator reads no longer paths.
const depth = {
  name: 'authority-depth',
  text: `WITH RECURSIVE path AS (
      SELECT parent_id, 1 AS depth FROM certificate_authorities WHERE id = $1
      UNION ALL SELECT c.parent_id, p.depth + 1 FROM certificate_authorities c JOIN path p ON c.id = p.parent_id WHERE p.depth < 20)
    SELECT max(depth)::int AS depth FROM path`,
};
const reserve = {
  name: 'authority-reserve',
  text: `INSERT INTO signing_log (idempotency_key, ca_id, serial, tbs) VALUES ($1, $2, $3, $4)`,
};
const insert = {
  name: 'authority-create',
  text: `INSERT INTO certificate_authorities (id, issuer_id, parent_id, name, subject, algorithm, certificate, serial, chain_above, key_id, sealed_key,
           not_before, not_after, path_length, name_constraints, crl_shards, metadata, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::bytea[], $10, $11, $12, $13, $14, $15, $16, $17, $18) RETURNING ${authorityColumns}`,
};
const takeKey = {
  name: 'signer-key-take',
  text: `UPDATE signer_keys SET state = 'used', sealed_key = NULL WHERE id = $1 AND state = 'free' RETURNING id`,
};
const insertRequest = {
  name: 'authority-request-create',
  text: `INSERT INTO authority_requests (id, issuer_id, name, subject, algorithm, csr, spki_sha256, sealed_key, crl_shards, metadata, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING ${requestColumns}`,
};
const requestedKey = { name: 'authority-request-key', text: `SELECT sealed_key FROM authority_requests WHERE id = $1` };
const endRequest = { name: 'authority-request-end', text: `DELETE FROM authority_requests WHERE id = $1 RETURNING id` };
const openChildren = {
  name: 'authority-open-children',
  text: `SELECT id FROM certificate_authorities WHERE parent_id = $1 AND state IN ('active', 'retiring') LIMIT 1 FOR UPDATE`,
};
const chosen = {
  name: 'authority-chosen',
  text: `SELECT 'issuer ' || id AS by FROM issuers WHERE issuing_ca_id = $1 UNION ALL SELECT 'profile ' || id FROM profiles WHERE ca_id = $1 AND enabled LIMIT 1`,
};
const change = {
  name: 'authority-change',
  text: `UPDATE certificate_authorities SET state = $2, signs_leaves = $3, retire_note = coalesce($4, retire_note), drain_until = $5,
           retired_at = CASE WHEN $2 = 'retired' THEN now() ELSE retired_at END, version = version + 1, updated_at = now()
         WHERE id = $1 RETURNING ${authorityColumns}`,
};
const revokeRow = {
  name: 'authority-revoke',
  text: `WITH RECURSIVE below AS (
      SELECT id, 0 AS depth FROM certificate_authorities WHERE id = $1
      UNION ALL SELECT c.id, b.depth + 1 FROM certificate_authorities c JOIN below b ON c.parent_id = b.id WHERE b.depth < 20),
    d AS (UPDATE certificate_authorities SET signs_leaves = false, version = version + 1, updated_at = now() WHERE id IN (SELECT id FROM below) AND id <> $1)
    UPDATE certificate_authorities SET state = 'revoked', signs_leaves = false, revoked_at = now(), revocation_reason = $2, version = version + 1, updated_at = now()
    WHERE id = $1 RETURNING ${authorityColumns}`,
};
const onCrl = {
  name: 'authority-on-crl',
  text: `WITH r AS (INSERT INTO revocations (ca_id, serial, reason, revoked_by, not_after) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING ca_id),
    e AS (INSERT INTO crls (ca_id, status_epoch) SELECT ca_id, 1 FROM r ON CONFLICT (ca_id) DO UPDATE SET status_epoch = crls.status_epoch + 1),
    j AS (INSERT INTO jobs (id, type, subject_id, max_attempts) SELECT $6, 'crl', ca_id, 10 FROM r
          ON CONFLICT (type, subject_id) WHERE status IN ('pending', 'running') DO NOTHING RETURNING id)
    INSERT INTO outbox (topic, subject_id) SELECT 'job', id FROM j`,
};
const choose = {
  name: 'issuer-choose-ca',
  text: `UPDATE issuers SET issuing_ca_id = $2, version = version + 1, updated_at = now() WHERE id = $1 RETURNING id`,
};
const audit = {
  name: 'authority-audit',
  text: `INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
         VALUES ($1, 'APIKey', $2, $3, $4, $5, 'config')`,
};

/** CAs as a resource: every change holds the row's lock and writes its audit row in the same commit. */
export function authorityAdministration(database: Database, pkiBaseUrl: string): Omit<AuthorityAdministration, 'update'> {
  const one = async (statement: { name: string; text: string }, id: string): Promise<AuthorityRecord | undefined> => {
    const [row] = await database.query<AuthorityRow>(statement, [id]);
    return row && authorityOf(row);
  };
  return {
    async issuerType(issuerId) {
      return (await database.query<{ type: string }>(issuer, [issuerId]))[0]?.type;
    },
    async list(issuerId) {
      const made = await database.query<AuthorityRow>(authorityList, [issuerId]);
      const requests = await database.query<RequestRow>(authorityRequestList, [issuerId]);
      return [...made.map(authorityOf), ...requests.map(requestOf)];
    },
    async find(id) {
      const found = await one(find, id);
      if (found !== undefined) return found;
      const [row] = await database.query<RequestRow>(findRequest, [id]);
      return row && requestOf(row);
    },
    children: async (id) => (await database.query<AuthorityRow>(authorityChildList, [id])).map(authorityOf),
    reserve: (intent) =>
      database.transaction(async (session) => {
        await lockedParent(session, intent.caId);
        await session.query(reserve, [intent.idempotencyKey, intent.caId, intent.serial, intent.tbs]);
      }),
    create: (authority, kind, actor) =>
      unlessTaken(() =>
        database.transaction(async (session) => {
          if (authority.parentId !== undefined) await lockedParent(session, authority.parentId);
          return added(session, authority, `intermediate_ca_${kind}_created`, actor, pkiBaseUrl);
        }),
      ),
    request: (request, actor) =>
      unlessTaken(() =>
        database.transaction(async (session) => {
          const [row] = await session.query<RequestRow>(insertRequest, [
            request.id, request.issuerId, request.name, JSON.stringify(request.subject), request.algorithm, request.csr, request.spkiSha256,
            request.sealedKey, request.crlShards, JSON.stringify(request.metadata), actor,
          ]); // prettier-ignore
          if (row === undefined) throw new Error('no row');
          await session.query(audit, [
            actor,
            'intermediate_ca_requested',
            'intermediate_ca',
            request.id,
            JSON.stringify(details(requestOf(row))),
          ]);
          return requestOf(row);
        }),
      ),
    async requestedKey(id) {
      return (await database.query<{ sealed_key: Buffer }>(requestedKey, [id]))[0]?.sealed_key;
    },
    certify: (authority, actor) =>
      unlessTaken(() =>
        database.transaction(async (session) => {
          const [ended] = await session.query(endRequest, [authority.id]);
          if (ended === undefined) throw new CaError('conflict', 'the CA waits for no certificate');
          return added(session, authority, 'intermediate_ca_certified', actor, pkiBaseUrl);
        }),
      ),
    retire: (id, retirement, actor) =>
      database.transaction(async (session) => {
        const before = await locked(session, id);
        const event = retireEvent(before.state, retirement.confirm);
        const state = nextState(before.state, event);
        if (event === 'confirm') await assertUnneeded(session, id);
        const signsLeaves = event === 'retire' && !retirement.stopLeaves && before.signs_leaves;
        const drainUntil = retirement.drainUntil ?? before.drain_until;
        const action = event === 'retire' ? 'intermediate_ca_retiring' : 'intermediate_ca_retired';
        return changed(session, before, [state, signsLeaves, retirement.note ?? null, drainUntil], action, actor);
      }),
    reactivate: (id, actor) =>
      database.transaction(async (session) => {
        const before = await locked(session, id);
        const state = nextState(before.state, 'reactivate');
        if (before.parent_id !== null) await lockedParent(session, before.parent_id);
        return changed(session, before, [state, true, null, null], 'intermediate_ca_reactivated', actor);
      }),
    revoke: (id, reason, jobId, actor) =>
      database.transaction(async (session) => {
        const before = await locked(session, id);
        nextState(before.state, 'revoke');
        if (before.parent_id === null)
          throw new CaError('policyViolation', 'nobody above this CA keeps a list that could name it; retire it');
        const { serial, notAfter } = parseCertificate(before.certificate);
        const [row] = await session.query<AuthorityRow>(revokeRow, [id, reason]);
        await session.query(onCrl, [before.parent_id, serial, reason, actor, notAfter, jobId]);
        if (row === undefined) throw new Error('no row');
        return audited(session, before, authorityOf(row), 'intermediate_ca_revoked', actor);
      }),
    chooseIssuing: (issuerId, caId, actor) =>
      database.transaction(async (session) => {
        if (caId !== undefined) {
          const chosenCa = await locked(session, caId);
          if (chosenCa.issuer_id !== issuerId) throw new CaError('notFound', 'the issuer has no such CA');
          if (chosenCa.state !== 'active' || !chosenCa.signs_leaves) throw new CaError('conflict', 'the CA signs no certificates');
        }
        const [row] = await session.query(choose, [issuerId, caId ?? null]);
        if (row === undefined) throw new CaError('notFound', 'no such issuer');
        await session.query(audit, [actor, 'setIssuingCa', 'issuer', issuerId, JSON.stringify({ issuing_ca_id: caId ?? null })]);
      }),
  };
}

/** @internal for the succession of CAs */
export async function locked(session: Session, id: string): Promise<AuthorityRow> {
  const [row] = await session.query<AuthorityRow>(lock, [id]);
  if (row === undefined) throw new CaError('notFound', 'no such certificate authority');
  return row;
}

/** @internal */
export async function lockedParent(session: Session, id: string): Promise<void> {
  const parent = await locked(session, id);
  if (parent.state !== 'active') throw new CaError('conflict', `the CA above is ${parent.state}`);
  const [row] = await session.query<{ depth: number }>(depth, [id]);
  if ((row?.depth ?? 0) >= 10) throw new CaError('hierarchyViolation', 'path_length: the hierarchy has ten levels already');
}

/** A CA ends when nothing rests on it any more. */
async function assertUnneeded(session: Session, id: string): Promise<void> {
  const [child] = await session.query<{ id: string }>(openChildren, [id]);
  if (child !== undefined) throw new CaError('conflict', `the CA has a child that is not retired: ${child.id}`);
  const [row] = await session.query<{ by: string }>(chosen, [id]);
  if (row !== undefined) throw new CaError('conflict', `the CA is still chosen by ${row.by}`);
}

/** @internal */
export async function added(
  session: Session,
  authority: NewAuthority,
  action: string,
  actor: string,
  pkiBaseUrl: string,
): Promise<AuthorityRecord> {
  if (authority.keyId !== undefined) {
    const [key] = await session.query(takeKey, [authority.keyId]);
    if (key === undefined) throw new CaError('conflict', 'the key belongs to a CA already');
  }
  const [row] = await session.query<AuthorityRow>(insert, [
    authority.id, authority.issuerId, authority.parentId ?? null, authority.name, JSON.stringify(authority.subject), authority.algorithm,
    authority.certificate, authority.serial, authority.chainAbove, authority.keyId ?? null, authority.sealedKey, authority.notBefore, authority.notAfter,
    authority.pathLength ?? null, JSON.stringify(authority.nameConstraints), authority.crlShards, JSON.stringify(authority.metadata), actor,
  ]); // prettier-ignore
  if (row === undefined) throw new Error('no row');
  await session.query(makeShards, [crlUrlBase(pkiBaseUrl), authority.id]);
  const record = authorityOf(row);
  await session.query(audit, [actor, action, 'intermediate_ca', record.id, JSON.stringify(details(record))]);
  return record;
}

/** @internal */
export async function changed(
  session: Session,
  before: AuthorityRow,
  values: readonly [state: AuthorityState, signsLeaves: boolean, note: string | null, drainUntil: Date | null],
  action: string,
  actor: string,
): Promise<AuthorityRecord> {
  const [row] = await session.query<AuthorityRow>(change, [before.id, ...values]);
  if (row === undefined) throw new Error('no row');
  return audited(session, before, authorityOf(row), action, actor);
}

/** @internal */
export async function audited(
  session: Session,
  before: AuthorityRow,
  after: AuthorityRecord,
  action: string,
  actor: string,
  more: object = {},
): Promise<AuthorityRecord> {
  await session.query(audit, [
    actor,
    action,
    'intermediate_ca',
    after.id,
    JSON.stringify({ ...details(after), ...more, state_before: before.state }),
  ]);
  return after;
}

function details(record: AuthorityRecord): object {
  return {
    issuer: record.issuerId,
    parent: record.parentId,
    name: record.name,
    subject: record.subject,
    state: record.state,
    key: record.keyId,
    crl_shards: record.crlShards,
    not_before: record.notBefore,
    not_after: record.notAfter,
    note: record.retireNote,
    reason: record.revocationReason,
    ...(record.certificate !== undefined && { sha256: createHash('sha256').update(record.certificate).digest('hex') }),
  };
}

/** @internal */
export async function unlessTaken<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isDuplicate(error)) throw new CaError('conflict', 'a CA with this name or key exists', { cause: error });
    throw error;
  }
}
