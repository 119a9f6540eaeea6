import type { Break, Link } from '#domain/audit/chain.ts';
import { seal } from '#domain/audit/chain.ts';
import type { AuditCategory, AuditEvent } from '#domain/audit/event.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import type { Database, Session } from './database.ts';
import { slice, type Condition, type Keyset } from './keyset.ts';

/** What to look for; undefined members mean everything. */
export interface AuditFilter {
  /** The id of an event: what was before it. */
  readonly before: string | undefined;
  readonly category: AuditCategory | undefined;
  readonly actor: string | undefined;
  readonly action: string | undefined;
  readonly resourceType: string | undefined;
  readonly resourceId: string | undefined;
  readonly since: Date | undefined;
  readonly until: Date | undefined;
}

/** An event, and its place in the chain once it is sealed. */
export type ListedEvent = AuditEvent & { readonly seal: Link | undefined };

/** The chain's own row. */
export interface AuditHead {
  readonly head: Link;
  readonly verified: Link;
  readonly verifiedAt: Date | undefined;
  /** When the walk that goes on now set out from the beginning. */
  readonly walkBeganAt: Date | undefined;
  readonly firstBreak: Break | undefined;
  readonly anchoredSeq: number;
  readonly anchoredAt: Date | undefined;
}

export interface AuditTrail {
  list(page: PageRequest, filter: AuditFilter): Promise<Slice<ListedEvent>>;
  /** Seals at most `limit` events under the head's lock, wherever they are; returns how many. Two sealers take turns. */
  seal(limit: number): Promise<number>;
  head(): Promise<AuditHead>;
  /** Hash of one sealed row. */
  linkAt(seq: number): Promise<Link | undefined>;
  /** How far the walk came; `begins` when it set out from the beginning. */
  noteVerified(to: Link, firstBreak: Break | undefined, begins: boolean): Promise<void>;
  noteAnchored(seq: number): Promise<void>;
  /** Who takes the trail elsewhere is part of it. */
  noteExport(actor: string, details: Readonly<Record<string, unknown>>): Promise<void>;
  /** Seals what has committed of late, waiting a second for others who seal: they may have looked before. Calls that wait for their turn share it. */
  sealNow(): Promise<void>;
  /** A refusal, unless there were many of this actor, or very many in all, within a minute. */
  noteRefusal(refusal: {
    readonly actor: string;
    readonly actorType: 'APIKey' | 'Anonymous';
    readonly resourceId: string;
    readonly details: Readonly<Record<string, unknown>>;
  }): Promise<void>;
  /** How many events wait to be sealed, and since when the oldest. */
  unsealed(): Promise<{ readonly count: number; readonly oldest: Date | undefined }>;
}

/** When an event was, as the chain has it: RFC 3339, UTC, microseconds. */
export const eventAt = `to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
const fields = `e.id::text AS id, ${eventAt} AS at, e.actor, e.actor_type, e.action,
  e.resource_type, e.resource_id, e.details, e.category`;
export const auditList: Keyset = {
  columns: `${fields}, s.seq::text AS seq, s.row_hash`,
  // A look-up for each event that is shown, whatever the planner believes of how many seals there are.
  from: 'audit_events e LEFT JOIN LATERAL (SELECT seq, row_hash FROM audit_seals WHERE event_id = e.id LIMIT 1) s ON true',
  id: 'e.id',
  idType: 'bigint',
  sorts: { at: { expression: 'e.at', type: 'timestamptz' } },
};
// Read before the events are: whoever had ended by then is seen by that look.
const lockHead = {
  name: 'audit-head-lock',
  text: `SELECT seq::text AS seq, hash, pg_snapshot_xmin(pg_current_snapshot()) >= looked_xid AS ended FROM audit_head FOR UPDATE`,
};
// No transaction lives as long (transactionMs): what is older and visible is all there is.
const settledAfter = `interval '5 minutes'`;
const settled = (upTo: string): string =>
  `greatest(settled_id, coalesce((SELECT max(id) FROM audit_events WHERE id > settled_id AND id <= ${upTo} AND at < now() - ${settledAfter}), 0))`;
// The LIMIT makes it a look-up for each of the few events that are not settled. As an anti-join it is planned for a third of the trail and hashes all
// seals there are, which with a million of them took 300 ms of every request that changes something.
const unsealedFrom = (mark: string): string =>
  `audit_events e LEFT JOIN LATERAL (SELECT true AS sealed FROM audit_seals s WHERE s.event_id = e.id LIMIT 1) s ON true
  WHERE e.id > (SELECT ${mark} FROM audit_head) AND s.sealed IS NULL`;
const unsealed = { name: 'audit-unsealed', text: `SELECT ${fields} FROM ${unsealedFrom('settled_id')} ORDER BY e.id LIMIT $1` };
const unsealedOfLate = {
  name: 'audit-unsealed-of-late',
  text: `SELECT ${fields} FROM ${unsealedFrom('greatest(settled_id, quick_id)')} ORDER BY e.id LIMIT $1`,
};
const unsealedAge = {
  name: 'audit-unsealed-age',
  text: `SELECT count(*)::int AS n, min(e.at) AS oldest FROM ${unsealedFrom('settled_id')}`,
};
const insertSeals = {
  name: 'audit-seal',
  // With more left, nothing behind the last of this page is settled yet.
  text: `WITH s AS (INSERT INTO audit_seals (seq, event_id, row_hash) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]))
         UPDATE audit_head SET seq = $4, hash = $5, settled_id = ${settled('$6::bigint')},
           quick_id = CASE WHEN $7 THEN greatest(quick_id, looked_id) ELSE quick_id END,
           looked_id = CASE WHEN $7 THEN $8 ELSE looked_id END,
           looked_xid = CASE WHEN $7 THEN pg_snapshot_xmax(pg_current_snapshot()) ELSE looked_xid END`,
};
const settle = {
  name: 'audit-settle',
  text: `UPDATE audit_head SET settled_id = ${settled('$1::bigint')}`,
};
const head = {
  name: 'audit-head',
  text: `SELECT *, seq::text AS seq_text, verified_seq::text AS verified_text, anchored_seq::text AS anchored_text FROM audit_head`,
};
const linkAt = { name: 'audit-link', text: `SELECT seq::text AS seq, row_hash FROM audit_seals WHERE seq = $1` };
const noteVerified = {
  name: 'audit-verified',
  text: `UPDATE audit_head SET verified_seq = $1, verified_hash = $2, first_break = $3, verified_at = now(),
           walk_began_at = CASE WHEN $4 THEN now() ELSE walk_began_at END`,
};
const noteAnchored = {
  name: 'audit-anchored',
  text: `UPDATE audit_head SET anchored_seq = greatest(anchored_seq, $1), anchored_at = now()`,
};

const noteExport = {
  name: 'audit-export-noted',
  text: `INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category) VALUES ($1, 'APIKey', 'exportAudit', 'audit', 'audit', $2, 'auth')`,
};
const refusalsOfOne = 10;
const refusalsOfAll = 300;
const noteRefusal = {
  name: 'audit-refusal',
  text: `INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
    SELECT $1, $2, 'refused', 'route', $3, $4, 'auth'
    WHERE (SELECT count(*) FROM (SELECT FROM audit_events WHERE actor = $1 AND at > now() - interval '1 minute' AND action = 'refused' LIMIT ${refusalsOfOne}) o) < ${refusalsOfOne}
      AND (SELECT count(*) FROM (SELECT FROM audit_events WHERE action = 'refused' AND at > now() - interval '1 minute' LIMIT ${refusalsOfAll}) a) < ${refusalsOfAll}`,
};
const patience = { name: 'audit-patience', text: `SELECT set_config('lock_timeout', '1000', true)` };
const sealPage = 2000;
const firstId = '0';
/** The greatest bigint. */
const lastId = '9223372036854775807';

interface EventRow {
  id: string | null;
  at: string;
  actor: string;
  actor_type: string;
  action: string;
  resource_type: string;
  resource_id: string;
  details: object;
  category: AuditCategory;
  seq: string | null;
  row_hash: Buffer | null;
}
interface HeadRow {
  seq_text: string;
  hash: Buffer;
  verified_text: string;
  verified_hash: Buffer;
  verified_at: Date | null;
  walk_began_at: Date | null;
  first_break: Break | null;
  anchored_text: string;
  anchored_at: Date | null;
}

/** Seals at most `limit` events under the head's lock: all there are, or those of late. Only who looks for all notes what is settled. */
async function sealIn(session: Session, limit: number, look: 'all' | 'late'): Promise<number> {
  const [last] = await session.query<{ seq: string; hash: Buffer; ended: boolean }>(lockHead, []);
  if (last === undefined) throw new Error('the audit chain has no head');
  const events = (await session.query<EventRow>(look === 'all' ? unsealed : unsealedOfLate, [limit])).map(eventOf);
  const sealed = seal({ seq: Number(last.seq), hash: last.hash }, events);
  const end = sealed.at(-1);
  if (end !== undefined) {
    const ids = sealed.map(({ event }) => event.id);
    const hashes = sealed.map(({ hash }) => hash);
    const settledUpTo = look === 'late' ? firstId : events.length === limit ? end.event.id : lastId;
    await session.query(insertSeals, [sealed.map(({ seq }) => seq), ids, hashes, end.seq, end.hash, settledUpTo, last.ended, end.event.id]);
  } else if (look === 'all') await session.query(settle, [lastId]);
  return events.length;
}

export function auditTrail(database: Database): AuditTrail {
  const sealLate = (): Promise<void> =>
    database.transaction(async (session) => {
      await session.query(patience, []);
      await sealIn(session, sealPage, 'late');
    });
  // One instance takes one place in the queue for the head, and one of its connections: what commits while it waits there is sealed by the next turn.
  let turn: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  const begin = (): Promise<void> => {
    next = undefined;
    turn = sealLate();
    return turn;
  };
  return {
    list: (page, filter) => slice(database, auditList, page, auditConditions(filter), listedOf),
    seal: (limit) => database.transaction((session) => sealIn(session, limit, 'all')),
    sealNow: () => (next ??= turn.then(begin, begin)),
    async noteExport(actor, details) {
      await database.query(noteExport, [actor, JSON.stringify(details)]);
    },
    async noteRefusal({ actor, actorType, resourceId, details }) {
      await database.query(noteRefusal, [actor, actorType, resourceId, JSON.stringify(details)]);
    },
    async head() {
      const [row] = await database.query<HeadRow>(head, []);
      if (row === undefined) throw new Error('the audit chain has no head');
      return {
        head: { seq: Number(row.seq_text), hash: row.hash },
        verified: { seq: Number(row.verified_text), hash: row.verified_hash },
        verifiedAt: row.verified_at ?? undefined,
        walkBeganAt: row.walk_began_at ?? undefined,
        firstBreak: row.first_break ?? undefined,
        anchoredSeq: Number(row.anchored_text),
        anchoredAt: row.anchored_at ?? undefined,
      };
    },
    async linkAt(seq) {
      const [row] = await database.query<{ seq: string; row_hash: Buffer }>(linkAt, [seq]);
      return row && { seq: Number(row.seq), hash: row.row_hash };
    },
    async noteVerified(to, firstBreak, begins) {
      await database.query(noteVerified, [to.seq, to.hash, firstBreak ?? null, begins]);
    },
    async noteAnchored(seq) {
      await database.query(noteAnchored, [seq]);
    },
    async unsealed() {
      const [row] = await database.query<{ n: number; oldest: Date | null }>(unsealedAge, []);
      return { count: row?.n ?? 0, oldest: row?.oldest ?? undefined };
    },
  };
}

/** The conditions of a filter. */
export function auditConditions(filter: AuditFilter): readonly Condition[] {
  return [
    ['(e.at, e.id) < (SELECT at, id FROM audit_events WHERE id = ?::bigint)', filter.before],
    ['e.category = ?', filter.category],
    ['e.actor = ?', filter.actor],
    ['e.action = ?', filter.action],
    ['e.resource_type = ?', filter.resourceType],
    ['e.resource_id = ?', filter.resourceId],
    ['e.at >= ?', filter.since],
    ['e.at < ?', filter.until],
  ];
}

function listedOf(row: EventRow): ListedEvent {
  return {
    ...eventOf(row),
    seal: row.seq === null || row.row_hash === null ? undefined : { seq: Number(row.seq), hash: row.row_hash },
  };
}

function eventOf(row: EventRow): AuditEvent {
  return {
    id: row.id ?? '',
    at: row.at,
    actor: row.actor,
    actorType: row.actor_type,
    action: row.action,
    resourceType: row.resource_type,
    resourceId: row.resource_id,
    details: row.details,
    category: row.category,
  };
}
