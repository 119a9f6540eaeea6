import * as z from 'zod';
import { shortLivedStore } from '#adapters/postgres/short-lived.ts';
import { jobQueue } from '#adapters/sqs/job-queue.ts';
import { chance } from '../shared/chance.ts';
import { environment } from '../shared/environment.ts';
import { loopEnvironment, loopHandler } from '../shared/loop.ts';

const settings = z.object({ ...loopEnvironment, ...environment.queue }).parse(process.env);
const page = 1000;

/** shortLivedExpiryCheck: notes the ends of certificates that lived less than an hour. */
export const handler = loopHandler('shortLivedExpiryCheck', settings, ({ database, wake }) => {
  const store = shortLivedStore(database);
  const queue = jobQueue(settings.JOB_QUEUE_URL);
  return async (run) => {
    await wake('notificationProcess');
    let processed = 0;
    let failed = 0;
    let full = true;
    while (full && chance.now() < run.deadline) {
      const { noted, notificationIds } = await store.noteEnds(page);
      failed += await queue.sendAll(notificationIds.map((notificationId) => ({ notificationId })));
      processed += noted;
      full = noted === page;
    }
    return { processed, failed, nextDue: await store.nextDue() };
  };
});
