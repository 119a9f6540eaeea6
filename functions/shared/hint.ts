import type { Hint, JobQueue } from '#adapters/sqs/job-queue.ts';
import { log } from './log.ts';

/** Sends a hint after the commit, best effort: the loops find what it would have told. */
export function hinter(queue: Pick<JobQueue, 'sendAll'>): (hint: Hint) => Promise<void> {
  return async (hint) => {
    if ((await queue.sendAll([hint])) > 0) log.warn('a hint was lost; a loop will repair it', { ...hint });
  };
}
