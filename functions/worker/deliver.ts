import type { connector } from '#adapters/lambda/connector.ts';
import { CaError } from '#domain/error.ts';
import type { ClaimedNotification } from '#domain/notification/notification.ts';

/**
 * Hands a notification to the connector as a webhook message: `{"type", "timestamp", "data"}`, named by the notification's id.
 *
 * @throws {CaError} `unavailable` when the receiver did not take it, `policyViolation` when it never will
 */
export function deliverer(ask: ReturnType<typeof connector>): (notification: ClaimedNotification) => Promise<void> {
  return async (notification) => {
    const { channel } = notification;
    const answer = await ask({
      kind: 'webhook',
      channelId: channel.id,
      url: channel.url,
      sealedSecret: Buffer.from(channel.sealedSecret).toString('base64'),
      messageId: notification.id,
      body: JSON.stringify({ type: notification.event, timestamp: notification.createdAt.toISOString(), data: notification.data }),
    });
    if (!answer.ok) throw new CaError(answer.final ? 'policyViolation' : 'unavailable', answer.detail);
  };
}
