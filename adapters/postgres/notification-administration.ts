import { CaError } from '#domain/error.ts';
import type { NotificationEvent } from '#domain/notification/event.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import { isDuplicate, type Database } from './database.ts';
import { slice, type Keyset } from './keyset.ts';

export interface ChannelRecord {
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly events: readonly NotificationEvent[];
  readonly delivery: 'at_least_once' | 'at_most_once';
  readonly enabled: boolean;
  readonly createdAt: Date;
}

export type NotificationStatus = 'pending' | 'sending' | 'sent' | 'failed' | 'dead' | 'suppressed';

export interface NotificationRecord {
  readonly id: string;
  readonly channelId: string;
  readonly event: NotificationEvent;
  readonly subjectId: string;
  readonly status: NotificationStatus;
  readonly attempts: number;
  readonly nextAttemptAt: Date;
  readonly lastError: string | undefined;
  readonly createdAt: Date;
  readonly sentAt: Date | undefined;
}

export interface NotificationAdministration {
  channels(page: PageRequest): Promise<Slice<ChannelRecord>>;
  /** @throws {CaError} `conflict` */
  createChannel(
    channel: Omit<ChannelRecord, 'enabled' | 'createdAt'> & { readonly sealedSecret: Uint8Array },
    actor: string,
  ): Promise<ChannelRecord>;
  setEnabled(id: string, enabled: boolean, actor: string): Promise<ChannelRecord | undefined>;
  list(
    page: PageRequest,
    filter: { readonly status: NotificationStatus | undefined; readonly channel: string | undefined; readonly subject: string | undefined },
  ): Promise<Slice<NotificationRecord>>;
  find(id: string): Promise<NotificationRecord | undefined>;
  /** dead → pending with a count of zero; false when it is not dead. */
  requeue(id: string, actor: string): Promise<boolean>;
}

const channelColumns = 'id, name, url, events, delivery, enabled, created_at';
export const channelList: Keyset = {
  columns: channelColumns,
  from: 'notification_channels',
  id: 'id',
  idType: 'text',
  sorts: { name: { expression: 'name', type: 'text' }, created_at: { expression: 'created_at', type: 'timestamptz' } },
};
const createChannel = {
  name: 'channel-create',
  text: `WITH c AS (INSERT INTO notification_channels (id, name, type, url, sealed_secret, events, delivery, created_by)
                    VALUES ($1, $2, 'webhook', $3, $4, $5, $6, $7) RETURNING ${channelColumns}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $7, 'APIKey', 'createChannel', 'notification_channel', id, jsonb_build_object('name', name, 'url', url), 'config' FROM c)
  SELECT * FROM c`,
};
const setEnabled = {
  name: 'channel-enabled',
  text: `WITH c AS (UPDATE notification_channels SET enabled = $2 WHERE id = $1 RETURNING ${channelColumns}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $3, 'APIKey', 'setChannelEnabled', 'notification_channel', id, jsonb_build_object('enabled', enabled), 'config' FROM c)
  SELECT * FROM c`,
};
const columns = 'id, channel_id, event, subject_id, status, attempts, next_attempt_at, last_error, created_at, sent_at';
export const notificationList: Keyset = {
  columns,
  from: 'notifications',
  id: 'id',
  idType: 'text',
  sorts: { created_at: { expression: 'created_at', type: 'timestamptz' } },
};
const find = { name: 'notifications-find', text: `SELECT ${columns} FROM notifications WHERE id = $1` };
const requeue = {
  name: 'notifications-requeue',
  text: `WITH n AS (UPDATE notifications SET status = 'pending', attempts = 0, last_error = NULL, next_attempt_at = now(), hinted_at = NULL
                    WHERE id = $1 AND status = 'dead' RETURNING id),
    x AS (INSERT INTO outbox (topic, subject_id) SELECT 'notification', id FROM n),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
          SELECT $2, 'APIKey', 'requeueNotification', 'notification', id, 'config' FROM n)
  SELECT id FROM n`,
};

interface ChannelRow {
  id: string;
  name: string;
  url: string;
  events: NotificationEvent[];
  delivery: ChannelRecord['delivery'];
  enabled: boolean;
  created_at: Date;
}
interface Row {
  id: string;
  channel_id: string;
  event: NotificationEvent;
  subject_id: string;
  status: NotificationStatus;
  attempts: number;
  next_attempt_at: Date;
  last_error: string | null;
  created_at: Date;
  sent_at: Date | null;
}

/** Channels and notifications as their operators see and change them. */
export function notificationAdministration(database: Database): NotificationAdministration {
  return {
    channels: (page) => slice(database, channelList, page, [], channelOf),
    async createChannel(channel, actor) {
      try {
        const [row] = await database.query<ChannelRow>(createChannel, [
          channel.id,
          channel.name,
          channel.url,
          channel.sealedSecret,
          channel.events,
          channel.delivery,
          actor,
        ]);
        if (row === undefined) throw new Error('no row');
        return channelOf(row);
      } catch (error) {
        if (isDuplicate(error)) throw new CaError('conflict', 'a channel with this name exists', { cause: error });
        throw error;
      }
    },
    async setEnabled(id, enabled, actor) {
      const [row] = await database.query<ChannelRow>(setEnabled, [id, enabled, actor]);
      return row && channelOf(row);
    },
    list: (page, { status, channel, subject }) =>
      slice(
        database,
        notificationList,
        page,
        [...(status === undefined ? [] : [[`status = '${status}'`] as const]), ['channel_id = ?', channel], ['subject_id = ?', subject]],
        recordOf,
      ),
    async find(id) {
      const [row] = await database.query<Row>(find, [id]);
      return row && recordOf(row);
    },
    async requeue(id, actor) {
      return (await database.query(requeue, [id, actor])).length === 1;
    },
  };
}

function channelOf(row: ChannelRow): ChannelRecord {
  return { ...row, createdAt: row.created_at };
}

function recordOf(row: Row): NotificationRecord {
  return {
    id: row.id,
    channelId: row.channel_id,
    event: row.event,
    subjectId: row.subject_id,
    status: row.status,
    attempts: row.attempts,
    nextAttemptAt: row.next_attempt_at,
    lastError: row.last_error ?? undefined,
    createdAt: row.created_at,
    sentAt: row.sent_at ?? undefined,
  };
}
