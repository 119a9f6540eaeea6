import type { Database } from './database.ts';

export type MirrorTopic = 'profile' | 'loop' | 'agent';

/** What a mirror has to have of an agent. */
export interface MirroredAgent {
  readonly id: string;
  readonly name: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  readonly retired: boolean;
  readonly upTo: string | undefined;
}

/** What the dispatcher finds to send or to repair. */
export interface OutboxStore {
  /** Notifications that are due and whose hint is lost or so many seconds old, oldest first; they count as hinted from now on. */
  dueNotifications(limit: number, hintSeconds: number): Promise<readonly string[]>;
  /** Profiles, loop settings or agents whose mirror was not confirmed. */
  unmirrored(topic: MirrorTopic, limit: number): Promise<readonly { readonly subjectId: string; readonly upTo: string }[]>;
  /** The mirror has what was committed up to this row of the outbox. */
  mirrored(topic: MirrorTopic, subjectId: string, upTo: string): Promise<void>;
  /** Agents as they are, each with the newest row of the outbox about it. */
  agents(ids: readonly string[]): Promise<readonly MirroredAgent[]>;
  /** The mirror has these agents as they were read. */
  agentsMirrored(agents: readonly MirroredAgent[]): Promise<void>;
  /** The earliest moment at which any of these has something to do, and the age of the oldest that waits (seconds). */
  outlook(): Promise<{ readonly nextDue: Date | undefined; readonly oldestSeconds: number }>;
}

const due = {
  name: 'outbox-due',
  text: `WITH c AS (
      SELECT id FROM notifications
      WHERE ((status IN ('pending', 'failed') AND next_attempt_at <= now()) OR (status = 'sending' AND lease_expires_at <= now()))
        AND (hinted_at IS NULL OR hinted_at <= now() - make_interval(secs => $2))
      ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED),
    u AS (UPDATE notifications SET hinted_at = now() FROM c WHERE notifications.id = c.id RETURNING notifications.id, next_attempt_at)
  SELECT id FROM u ORDER BY next_attempt_at`,
};
const unmirrored = {
  name: 'outbox-unmirrored',
  text: `SELECT subject_id, max(id) AS up_to FROM outbox WHERE topic = $1 AND created_at <= now() - interval '5 seconds'
         GROUP BY subject_id ORDER BY subject_id LIMIT $2`,
};
const mirrored = { name: 'outbox-mirrored', text: `DELETE FROM outbox WHERE topic = $1 AND subject_id = $2 AND id <= $3` };
const agents = {
  name: 'outbox-agents',
  text: `SELECT a.id, a.name, a.public_key, a.retired_at IS NOT NULL AS retired,
      (SELECT max(o.id) FROM outbox o WHERE o.topic = 'agent' AND o.subject_id = a.id) AS up_to
    FROM agents a WHERE a.id = ANY ($1)`,
};
const agentsMirrored = {
  name: 'outbox-agents-mirrored',
  text: `DELETE FROM outbox o USING unnest($1::text[], $2::bigint[]) AS t (subject_id, up_to)
         WHERE o.topic = 'agent' AND o.subject_id = t.subject_id AND o.id <= t.up_to`,
};
const outlook = {
  name: 'outbox-outlook',
  text: `SELECT least(
      (SELECT min(next_attempt_at) FROM notifications WHERE status IN ('pending', 'failed')),
      (SELECT min(lease_expires_at) FROM notifications WHERE status = 'sending'),
      (SELECT min(created_at) FROM outbox WHERE topic IN ('profile', 'loop', 'agent'))) AS next_due,
    coalesce(extract(epoch FROM now() - least(
      (SELECT min(next_attempt_at) FROM notifications WHERE status IN ('pending', 'failed')),
      (SELECT min(created_at) FROM outbox WHERE topic IN ('profile', 'loop', 'agent')))), 0)::float8 AS oldest`,
};

export function outboxStore(database: Database): OutboxStore {
  return {
    async dueNotifications(limit, hintSeconds) {
      return (await database.query<{ id: string }>(due, [limit, hintSeconds])).map((row) => row.id);
    },
    async unmirrored(topic, limit) {
      const rows = await database.query<{ subject_id: string; up_to: string }>(unmirrored, [topic, limit]);
      return rows.map((row) => ({ subjectId: row.subject_id, upTo: row.up_to }));
    },
    async mirrored(topic, subjectId, upTo) {
      await database.query(mirrored, [topic, subjectId, upTo]);
    },
    async agents(ids) {
      const rows = await database.query<{ id: string; name: string; public_key: Buffer; retired: boolean; up_to: string | null }>(agents, [
        ids,
      ]);
      return rows.map(({ public_key, up_to, ...row }) => ({ ...row, publicKey: public_key, upTo: up_to ?? undefined }));
    },
    async agentsMirrored(told) {
      const news = told.filter(({ upTo }) => upTo !== undefined);
      if (news.length > 0) await database.query(agentsMirrored, [news.map(({ id }) => id), news.map(({ upTo }) => upTo)]);
    },
    async outlook() {
      const [row] = await database.query<{ next_due: Date | null; oldest: number }>(outlook, []);
      return { nextDue: row?.next_due ?? undefined, oldestSeconds: Math.max(0, row?.oldest ?? 0) };
    },
  };
}
