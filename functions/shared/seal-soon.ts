import type { JobQueue } from '#adapters/sqs/job-queue.ts';
import { log } from './log.ts';

/** Has the worker seal audit rows for a function whose clients wait for every millisecond. */
export interface SealSoon {
  /** An audit row has committed. */
  readonly committed: () => void;
  /** What was asked for is sent, best effort: the loop seals the rest. */
  readonly asked: () => Promise<void>;
}

const delayMs = 1000;

/**
 * The worker is asked once a second at most: a question arrives a second after it was sent, and answers for every row that commits until then.
 *
 * @param now milliseconds since the epoch
 */
export function sealSoon(queue: Pick<JobQueue, 'askSeal'>, now: () => number): SealSoon {
  let covered = 0;
  let sending: Promise<void> = Promise.resolve();
  return {
    committed() {
      const at = now();
      if (at < covered) return;
      covered = at + delayMs;
      sending = queue.askSeal(delayMs / 1000).catch((error: unknown) => {
        covered = 0;
        log.warn('nobody was asked to seal; the loop will', { error: String(error) });
      });
    },
    asked: () => sending,
  };
}
