import * as z from 'zod';
import { renewalStore } from '#adapters/postgres/renewals.ts';
import { jobQueue } from '#adapters/sqs/job-queue.ts';
import { chance } from '../shared/chance.ts';
import { environment } from '../shared/environment.ts';
import { loopEnvironment, loopHandler } from '../shared/loop.ts';

const settings = z.object({ ...loopEnvironment, ...environment.queue }).parse(process.env);
const page = 500;

/** renewalCheck: jobs and alerts for what is due, page by page; a page that was committed stays done whatever happens to the next. */
export const handler = loopHandler('renewalCheck', settings, ({ database, wake }) => {
  const store = renewalStore(database);
  const queue = jobQueue(settings.JOB_QUEUE_URL);
  return async (run) => {
    let processed = 0;
    let failed = 0;
    let full = true;
    while (full && chance.now() < run.deadline) {
      await wake('jobProcessor', 'notificationProcess');
      const renewals = await store.makeJobs(page);
      const alerts = await store.alert(page);
      failed += await queue.sendAll([
        ...renewals.jobIds.map((jobId) => ({ jobId })),
        ...alerts.notificationIds.map((notificationId) => ({ notificationId })),
      ]);
      processed += renewals.examined + alerts.examined;
      full = renewals.examined === page || alerts.examined === page;
    }
    return { processed, failed, nextDue: await store.nextDue() };
  };
});
