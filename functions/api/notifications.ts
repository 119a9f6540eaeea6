import {
  createChannel,
  listChannels,
  listNotifications,
  requeueNotification,
  setChannelEnabled,
  type ChannelBody,
  type NotificationBody,
} from '#contract/notifications.ts';
import type { Envelope } from '#adapters/kms/envelope.ts';
import type { ChannelRecord, NotificationAdministration, NotificationRecord } from '#adapters/postgres/notification-administration.ts';
import type { Chance } from '#domain/clock.ts';
import { channelSecretContext } from '#domain/connector/seal-context.ts';
import { CaError } from '#domain/error.ts';
import { assertWebhookUrl } from '#domain/notification/webhook-url.ts';
import type { Wake } from '../shared/wake.ts';
import { serve, serveList, type Served } from './router.ts';

export interface NotificationPorts {
  readonly store: NotificationAdministration;
  readonly envelope: Envelope;
  readonly chance: Chance;
  readonly newId: (prefix: string) => string;
  readonly wake: Wake;
  readonly hint: (notificationId: string) => Promise<void>;
  /** Names that may be plain http; only the local host has any. */
  readonly doorSuffix: string | undefined;
}

const secretBytes = 32;

/** The operations of `contract/notifications.ts`. */
export function notificationOperations(ports: NotificationPorts): readonly Served[] {
  return [
    serveList(listChannels, ({ page }) => ports.store.channels(page), showChannel),
    serve(createChannel, async ({ body, caller }) => {
      const url = assertWebhookUrl(body.url, ports.doorSuffix);
      const id = ports.newId('ch');
      const secret = ports.chance.random(secretBytes);
      const created = await ports.store.createChannel(
        {
          id,
          name: body.name,
          url: url.href,
          events: body.events,
          delivery: body.delivery,
          sealedSecret: await ports.envelope.seal(secret, channelSecretContext(id)),
        },
        caller?.id ?? '',
      );
      return { ...showChannel(created), secret: `whsec_${Buffer.from(secret).toString('base64')}` };
    }),
    serve(setChannelEnabled, async ({ params, body, caller }) => {
      const changed = await ports.store.setEnabled(params.id, body.enabled, caller?.id ?? '');
      if (changed === undefined) throw new CaError('notFound', 'no such channel');
      return showChannel(changed);
    }),
    serveList(
      listNotifications,
      ({ query: { status, channel, subject }, page }) => ports.store.list(page, { status, channel, subject }),
      show,
    ),
    serve(requeueNotification, async ({ params, caller }) => {
      await ports.wake('notificationProcess');
      const requeued = await ports.store.requeue(params.id, caller?.id ?? '');
      const record = await ports.store.find(params.id);
      if (record === undefined) throw new CaError('notFound', 'no such notification');
      if (!requeued) throw new CaError('conflict', `the notification is ${record.status}; only a dead one is sent again`);
      await ports.hint(params.id);
      return show(record);
    }),
  ];
}

function showChannel(record: ChannelRecord): ChannelBody {
  return {
    id: record.id,
    name: record.name,
    type: 'webhook',
    url: record.url,
    events: [...record.events],
    delivery: record.delivery,
    enabled: record.enabled,
    created_at: record.createdAt.toISOString(),
  };
}

function show(record: NotificationRecord): NotificationBody {
  return {
    id: record.id,
    channel: record.channelId,
    event: record.event,
    subject: record.subjectId,
    status: record.status,
    attempts: record.attempts,
    next_attempt_at: record.nextAttemptAt.toISOString(),
    last_error: record.lastError ?? null,
    created_at: record.createdAt.toISOString(),
    sent_at: record.sentAt?.toISOString() ?? null,
  };
}
