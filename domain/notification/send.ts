import { isTransient, reasonOf } from '../job/failure.ts';
import { retryDelay, type ClaimedNotification, type NotificationStore } from './notification.ts';

export type Sent = 'sent' | 'failed' | 'dead' | 'suppressed' | 'lost';

export interface SendPorts {
  readonly store: NotificationStore;
  /** @throws {CaError} with a detail that may be shown, when the receiver did not take it; a refusal that is final is not repeated */
  readonly deliver: (notification: ClaimedNotification) => Promise<void>;
  /** A send whose end is unknown is about to be repeated. */
  readonly ambiguousResend: (notification: ClaimedNotification) => void;
  readonly dice: () => number;
}

/**
 * Sends a claimed notification. After a sender that died nobody knows whether it was sent: it is repeated under the same idempotency key,
 * or given up where the channel says at most once.
 */
export async function sendNotification(ports: SendPorts, held: ClaimedNotification): Promise<Sent> {
  if (!held.channel.enabled) return (await ports.store.suppressed(held, 'the channel is disabled')) ? 'suppressed' : 'lost';
  if (held.ambiguous) {
    if (held.channel.delivery === 'at_most_once')
      return (await ports.store.failed(held, 'ambiguous: a sender died, and the channel wants at most one', undefined)) ? 'dead' : 'lost';
    ports.ambiguousResend(held);
  }
  try {
    await ports.deliver(held);
  } catch (error) {
    const delay = isTransient(error) ? retryDelay(held.attempts, ports.dice()) : undefined;
    if (!(await ports.store.failed(held, reasonOf(error), delay))) return 'lost';
    return delay === undefined ? 'dead' : 'failed';
  }
  return (await ports.store.sent(held)) ? 'sent' : 'lost';
}
