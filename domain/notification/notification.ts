import type { NotificationEvent } from './event.ts';

/** A notification that a worker holds; every later write names the lease token. */
export interface ClaimedNotification {
  readonly id: string;
  readonly event: NotificationEvent;
  readonly data: unknown;
  readonly createdAt: Date;
  /** Counts this attempt. */
  readonly attempts: number;
  readonly leaseToken: string;
  /** A former sender died: whether it had sent is unknown. */
  readonly ambiguous: boolean;
  readonly channel: {
    readonly id: string;
    readonly url: string;
    readonly sealedSecret: Uint8Array;
    readonly enabled: boolean;
    readonly delivery: 'at_least_once' | 'at_most_once';
  };
}

export interface NotificationStore {
  /** Notifications about any of these that nobody has tried to send yet, so that whoever caused them can see to it at once. */
  fresh(subjectIds: readonly string[]): Promise<readonly string[]>;
  /** A due notification becomes `sending`; undefined: it is another's, or done with. */
  claim(id: string, leaseToken: string, leaseSeconds: number): Promise<ClaimedNotification | undefined>;
  sent(held: ClaimedNotification): Promise<boolean>;
  /** To be tried again after a delay, or dead when there is none. */
  failed(held: ClaimedNotification, reason: string, delaySeconds: number | undefined): Promise<boolean>;
  suppressed(held: ClaimedNotification, reason: string): Promise<boolean>;
}

/** Attempts before a notification is dead, the first included. */
export const maxAttempts = 5;

/**
 * Seconds until the next attempt: 1, 2, 4, 8 minutes, ±20 %; undefined when none is left.
 *
 * @param dice a fraction from 0 to 1
 */
export function retryDelay(attempts: number, dice: number): number | undefined {
  if (attempts >= maxAttempts) return undefined;
  return Math.round(Math.min(60, 2 ** (attempts - 1)) * 60 * (0.8 + 0.4 * dice));
}
