import type { Database } from './database.ts';

export type MirrorTopic = 'profile' | 'loop' | 'agent';

/** What the dispatcher finds to send or to repair. */
export interface OutboxStore {
  /** Notifications that are due and whose hint is lost or so many seconds old, oldest first; they count as hinted from now on. */
  dueNotifications(limit: number, hintSeconds: number): Promise<readonly string[]>;
  /** Profiles, loop settings or agents whose mirror was not confirmed. */
  unmirrored(topic: MirrorTopic, limit: number): Promise<readonly { readonly subjectId: string; readonly upTo: string }[]>;
  /** The outbox's newest row about a subject: what is read of the subject from now on has it. */
  newest(topic: MirrorTopic, subjectId: string): Promise<string | undefined>;
  /** The mirror has what was committed up to this row of the outbox. */
  mirrored(topic: MirrorTopic, subjectId: string, upTo: string): Promise<void>;
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
const newest = { name: 'outbox-newest', text: `SELECT max(id) AS up_to FROM outbox WHERE topic = $1 AND subject_id = $2` };
const mirrored = { name: 'outbox-mirrored', text: `DELETE FROM outbox WHERE topic = $1 AND subject_id = $2 AND id <= $3` };
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
    async newest(topic, subjectId) {
      return (await database.query<{ up_to: string | null }>(newest, [topic, subjectId]))[0]?.up_to ?? undefined;
    },
    async mirrored(topic, subjectId, upTo) {
      await database.query(mirrored, [topic, subjectId, upTo]);
    },
    async outlook() {
      const [row] = await database.query<{ next_due: Date | null; oldest: number }>(outlook, []);
      return { nextDue: row?.next_due ?? undefined, oldestSeconds: Math.max(0, row?.oldest ?? 0) };
    },
  };
}
