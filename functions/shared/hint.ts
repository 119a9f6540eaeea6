import type { Hint, JobQueue } from '#adapters/sqs/job-queue.ts';
import { log } from './log.ts';

/** Sends a hint after the commit, best effort: the loops find what it would have told. */
export function hinter(queue: Pick<JobQueue, 'sendAll'>): (hint: Hint) => Promise<void> {
  return async (hint) => {
    if ((await queue.sendAll([hint])) > 0) log.warn('a hint was lost; a loop will repair it', { ...hint });
  };
}

/** Hints that are on their way while the answer is made. */
export interface HintsBeside {
  readonly hint: (hint: Hint) => Promise<void>;
  /** Ends when all have been sent: an instance may be frozen as soon as it has answered. */
  readonly sent: () => Promise<void>;
}

/** Sends hints beside whatever else an answer needs, such as the seal of its change. @param send never fails */
export function hintsBeside(send: (hint: Hint) => Promise<void>): HintsBeside {
  const underWay = new Set<Promise<void>>();
  return {
    async hint(hint) {
      const sending = send(hint).finally(() => underWay.delete(sending));
      underWay.add(sending);
    },
    async sent() {
      await Promise.all(underWay);
    },
  };
}
