import type { NotificationEvent } from '#domain/notification/event.ts';
import type { ClaimedNotification, NotificationStore } from '#domain/notification/notification.ts';
import type { Database } from './database.ts';

const claim = {
  name: 'notification-claim',
  text: `WITH c AS (
      SELECT id, status = 'sending' AS ambiguous FROM notifications
      WHERE id = $1 AND ((status IN ('pending', 'failed') AND next_attempt_at <= now()) OR (status = 'sending' AND lease_expires_at <= now()))
      FOR UPDATE SKIP LOCKED),
    u AS (UPDATE notifications n SET status = 'sending', attempts = attempts + 1, lease_token = $2, lease_expires_at = now() + make_interval(secs => $3),
            ambiguous = n.ambiguous + CASE WHEN c.ambiguous THEN 1 ELSE 0 END
          FROM c WHERE n.id = c.id RETURNING n.id, n.channel_id, n.event, n.data, n.created_at, n.attempts, c.ambiguous),
    x AS (DELETE FROM outbox WHERE topic = 'notification' AND subject_id IN (SELECT id FROM u))
  SELECT u.*, ch.url, ch.sealed_secret, ch.enabled, ch.delivery FROM u JOIN notification_channels ch ON ch.id = u.channel_id`,
};
const fresh = {
  name: 'notification-fresh',
  text: `SELECT id FROM notifications WHERE subject_id = ANY ($1) AND status = 'pending' AND attempts = 0 AND created_at > now() - interval '1 minute'`,
};
const held = `id = $1 AND lease_token = $2 AND status = 'sending'`;
const sent = {
  name: 'notification-sent',
  text: `UPDATE notifications SET status = 'sent', sent_at = now(), last_error = NULL, lease_token = NULL, lease_expires_at = NULL WHERE ${held} RETURNING id`,
};
const failed = {
  name: 'notification-failed',
  text: `WITH n AS (UPDATE notifications SET status = CASE WHEN $4::float8 IS NULL THEN 'dead' ELSE 'failed' END, last_error = $3, hinted_at = NULL,
                      next_attempt_at = now() + make_interval(secs => coalesce($4::float8, 0)), lease_token = NULL, lease_expires_at = NULL
                    WHERE ${held} RETURNING id, status, attempts),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:worker', 'System', 'notification_dead', 'notification', id, jsonb_build_object('attempts', attempts, 'reason', $3::text), 'config'
          FROM n WHERE status = 'dead')
  SELECT id FROM n`,
};
const suppressed = {
  name: 'notification-suppressed',
  text: `UPDATE notifications SET status = 'suppressed', last_error = $3, lease_token = NULL, lease_expires_at = NULL WHERE ${held} RETURNING id`,
};

/** Claims by lease and token, as jobs are. */
export function notificationStore(database: Database): NotificationStore {
  const changed = async (statement: { name: string; text: string }, of: ClaimedNotification, ...rest: unknown[]): Promise<boolean> =>
    (await database.query(statement, [of.id, of.leaseToken, ...rest])).length === 1;
  return {
    async fresh(subjectIds) {
      return (await database.query<{ id: string }>(fresh, [subjectIds])).map((row) => row.id);
    },
    async claim(id, leaseToken, leaseSeconds) {
      const [row] = await database.query<{
        id: string;
        channel_id: string;
        event: NotificationEvent;
        data: unknown;
        created_at: Date;
        attempts: number;
        ambiguous: boolean;
        url: string;
        sealed_secret: Buffer;
        enabled: boolean;
        delivery: ClaimedNotification['channel']['delivery'];
      }>(claim, [id, leaseToken, leaseSeconds]);
      return (
        row && {
          id: row.id,
          event: row.event,
          data: row.data,
          createdAt: row.created_at,
          attempts: row.attempts,
          leaseToken,
          ambiguous: row.ambiguous,
          channel: { id: row.channel_id, url: row.url, sealedSecret: row.sealed_secret, enabled: row.enabled, delivery: row.delivery },
        }
      );
    },
    sent: (of) => changed(sent, of),
    failed: (of, reason, delaySeconds) => changed(failed, of, reason, delaySeconds ?? null),
    suppressed: (of, reason) => changed(suppressed, of, reason),
  };
}
