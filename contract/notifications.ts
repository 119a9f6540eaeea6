import * as z from 'zod';
import { notificationEvents } from '#domain/notification/event.ts';
import { list } from './list.ts';
import { nothing, route } from './route.ts';

const channelId = z.string().regex(/^ch-[0-9a-z-]{1,60}$/, 'the id of a channel');
const notificationId = z.string().regex(/^ntf-[0-9a-z-]{1,60}$/, 'the id of a notification');

export const channel = z.strictObject({
  id: channelId,
  name: z.string(),
  type: z.literal('webhook'),
  url: z.string(),
  events: z.array(z.enum(notificationEvents)),
  delivery: z.enum(['at_least_once', 'at_most_once']),
  enabled: z.boolean(),
  created_at: z.string(),
});
export type ChannelBody = z.infer<typeof channel>;

export const listChannels = route(
  list({
    operation: 'listChannels',
    command: 'channels list',
    path: '/api/v1/notification-channels',
    summary: 'Where notifications go',
    permission: 'notification.read',
    params: nothing,
    filters: {},
    item: channel,
    sorts: ['name', 'created_at'],
  }),
);

export const createChannel = route({
  operation: 'createChannel',
  command: 'channels create',
  method: 'POST',
  path: '/api/v1/notification-channels',
  summary: 'Makes a signed webhook; its secret is shown in this answer and never again',
  permission: 'notification.edit',
  params: nothing,
  query: nothing,
  body: z.strictObject({
    name: z.string().min(1).max(128).describe('What the channel is called'),
    type: z.literal('webhook').default('webhook').describe('How it is told'),
    url: z.string().min(1).max(2000).describe('https, with a dns name that leads to a public address'),
    events: z
      .array(z.enum(notificationEvents))
      .min(1)
      .default([...notificationEvents])
      .describe('What is told'),
    delivery: z
      .enum(['at_least_once', 'at_most_once'])
      .default('at_least_once')
      .describe('What a doubtful delivery becomes: told again, or not'),
  }),
  answer: channel.extend({ secret: z.string() }),
  status: 201,
  secret: true,
});

export const setChannelEnabled = route({
  operation: 'setChannelEnabled',
  command: 'channels switch',
  method: 'PUT',
  path: '/api/v1/notification-channels/{id}/enabled',
  summary: 'Switches a channel on or off; what waits for one that is off is suppressed',
  permission: 'notification.edit',
  params: z.strictObject({ id: channelId }),
  query: nothing,
  body: z.strictObject({ enabled: z.boolean().describe('Whether it is told') }),
  answer: channel,
  status: 200,
});

export const notification = z.strictObject({
  id: notificationId,
  channel: channelId,
  event: z.enum(notificationEvents),
  subject: z.string(),
  status: z.enum(['pending', 'sending', 'sent', 'failed', 'dead', 'suppressed']),
  attempts: z.number().int(),
  next_attempt_at: z.string(),
  last_error: z.string().nullable(),
  created_at: z.string(),
  sent_at: z.string().nullable(),
});
export type NotificationBody = z.infer<typeof notification>;

export const listNotifications = route(
  list({
    operation: 'listNotifications',
    command: 'notifications list',
    path: '/api/v1/notifications',
    summary: 'Notifications, newest first',
    permission: 'notification.read',
    params: nothing,
    filters: {
      status: notification.shape.status.optional().describe('Only of this status'),
      channel: channelId.optional(),
      subject: z.string().max(128).optional().describe('Only about this one, e.g. the id of a certificate'),
    },
    item: notification,
    sorts: ['-created_at'],
  }),
);

export const requeueNotification = route({
  operation: 'requeueNotification',
  command: 'notifications requeue',
  method: 'POST',
  path: '/api/v1/notifications/{id}/requeue',
  summary: 'Sends a dead notification again, with all its attempts',
  permission: 'notification.edit',
  params: z.strictObject({ id: notificationId }),
  query: nothing,
  body: nothing,
  answer: notification,
  status: 202,
});
