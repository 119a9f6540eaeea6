import { sealedRows as framedEvents, type SealedRows } from '#domain/audit/chain.ts';
import type { AuditCategory, AuditEvent } from '#domain/audit/event.ts';
import { framed, joinedMembers, memberEnd, rowEnd } from '#domain/audit/joined-rows.ts';
import type { ChainReader } from '#domain/audit/walk.ts';
import { auditTrail, eventAt } from './audit.ts';
import type { Database, Session } from './database.ts';

// What a verification reads of a million rows. A value of the driver for each column would take longer than the SHA-256, and so would JSON for PostgreSQL:
// the columns come as one text with separators, the events by their ids, without a join and in the index's order.
const columns: Readonly<Record<(typeof joinedMembers)[number], string>> = {
  action: 'action',
  actor: 'actor',
  actorType: 'actor_type',
  at: 'at',
  category: 'category',
  details: 'details',
  id: 'id',
  resourceId: 'resource_id',
  resourceType: 'resource_type',
};
const joined = {
  name: 'audit-rows',
  // Told apart by count: as many rows as there are events with all columns, so that no text can pass for the row behind it. OFFSET 0: the planner would
  // else put each row together twice.
  text: `WITH s AS MATERIALIZED (SELECT * FROM audit_seals WHERE seq > $1 ORDER BY seq LIMIT $2)
    SELECT (SELECT string_agg(row_hash, '') FROM s) AS hashes, (SELECT string_agg(seq || ' ' || event_id, ' ') FROM s) AS places, f.found, f.events
    FROM (SELECT count(t)::int AS found, string_agg(t, chr(${rowEnd})) AS events
          FROM (SELECT ${joinedMembers.map((member) => `e.${columns[member]}`).join(` || chr(${memberEnd}) || `)} AS t
                FROM audit_events e WHERE e.id = ANY ((SELECT array_agg(event_id) FROM s)::bigint[]) OFFSET 0) j) f`,
};
// Both LIMITs keep the planner to the page: it would join all that is left before it cuts.
const exact = {
  name: 'audit-rows-exact',
  text: `SELECT string_agg(s.row_hash, '' ORDER BY s.seq) AS hashes,
      json_agg(json_build_array(s.seq, e.id::text, ${eventAt}, e.actor, e.actor_type, e.action, e.resource_type, e.resource_id, e.details, e.category) ORDER BY s.seq) AS page
    FROM (SELECT * FROM audit_seals WHERE seq > $1 ORDER BY seq LIMIT $2) s
      LEFT JOIN LATERAL (SELECT * FROM audit_events WHERE id = s.event_id LIMIT 1) e ON true`,
};

interface Joined {
  hashes: Buffer | null;
  places: string | null;
  /** Events with all columns; who deletes one, or makes a column null, has one fewer. */
  found: number;
  events: string | null;
}
/** `seq`, and what the event of that place has, if it is there. */
type ExactRow = readonly [
  seq: number,
  id: string | null,
  at: string,
  actor: string,
  actorType: string,
  action: string,
  resourceType: string,
  resourceId: string,
  details: object,
  category: AuditCategory,
];

/** What a walk reads. Apart from the trail, which functions have that walk nowhere. */
export function chainReader(database: Database): ChainReader {
  const trail = auditTrail(database);
  return {
    head: () => trail.head(),
    linkAt: (seq) => trail.linkAt(seq),
    rows: async (after, limit) => (await joinedRows(database, after, limit)) ?? exactRows(database, after, limit),
  };
}

/** The rows, if nothing is strange about them; undefined when it is not certain which of them says what. */
export async function joinedRows(session: Session, after: number, limit: number): Promise<SealedRows | undefined> {
  const [found] = await session.query<Joined>(joined, [after, limit]);
  if (!found?.hashes || found.places === null || found.events === null) return undefined;
  const numbers = found.places.split(' ').map(Number);
  const places: [number, number][] = [];
  for (let at = 0; at < numbers.length; at += 2) places.push([numbers[at] ?? 0, numbers[at + 1] ?? 0]);
  if (found.found !== places.length) return undefined;
  return framed({ hashes: found.hashes, places, events: found.events });
}

/** The rows, whatever is in them or missing: two to three times as much work for the database. */
export async function exactRows(session: Session, after: number, limit: number): Promise<SealedRows> {
  const [found] = await session.query<{ hashes: Buffer | null; page: readonly ExactRow[] | null }>(exact, [after, limit]);
  return framedEvents(found?.hashes ?? Buffer.alloc(0), (found?.page ?? []).map(exactRow));
}

function exactRow([seq, id, at, actor, actorType, action, resourceType, resourceId, details, category]: ExactRow): {
  readonly seq: number;
  readonly event: AuditEvent | undefined;
} {
  return { seq, event: id === null ? undefined : { id, at, actor, actorType, action, resourceType, resourceId, details, category } };
}
