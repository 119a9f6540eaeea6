import type { NotificationEvent } from '#domain/notification/event.ts';

/**
 * The statement of a CTE that writes one notification per subscribed channel, in the commit of what it tells of. The dedupe key makes a
 * second one for the same event impossible; it returns the ids of those that are new.
 *
 * @param from a CTE of the same statement
 * @param columns SQL expressions over it: what it is about, what makes it this event and no other, its data (jsonb), and which
 *   rows it concerns
 */
export function notifyFrom(
  from: string,
  event: NotificationEvent,
  columns: { readonly subject: string; readonly dedupe: string; readonly data: string; readonly where?: string },
): string {
  return `INSERT INTO notifications (id, channel_id, event, subject_id, data, dedupe_key)
    SELECT 'ntf-' || replace(gen_random_uuid()::text, '-', ''), ch.id, '${event}', ${columns.subject}, ${columns.data},
           '${event}:' || ${columns.dedupe} || ':' || ch.id
    FROM ${from}, notification_channels ch WHERE ch.enabled AND '${event}' = ANY (ch.events)${columns.where === undefined ? '' : ` AND ${columns.where}`}
    ON CONFLICT (dedupe_key) DO NOTHING RETURNING id`;
}
