import * as z from 'zod';
import { jobTimeouts } from '#adapters/postgres/job-timeouts.ts';
import { sealedKeys } from '#adapters/postgres/sealed-keys.ts';
import { jobQueue } from '#adapters/sqs/job-queue.ts';
import { environment } from '../shared/environment.ts';
import { loopEnvironment, loopHandler } from '../shared/loop.ts';

const seconds = (value: number): z.ZodType<number> => z.coerce.number().int().min(60).default(value);
const settings = z
  .object({
    ...loopEnvironment,
    ...environment.queue,
    AWAITING_CSR_SECONDS: seconds(24 * 3600),
    AWAITING_APPROVAL_SECONDS: seconds(168 * 3600),
  })
  .parse(process.env);
const page = 500;

/** jobTimeout: ends what waits for somebody who does not come, and destroys the keys of what has ended. */
export const handler = loopHandler('jobTimeout', settings, ({ database, wake }) => {
  const store = jobTimeouts(database);
  const keys = sealedKeys(database);
  const queue = jobQueue(settings.JOB_QUEUE_URL);
  const limits = { csrSeconds: settings.AWAITING_CSR_SECONDS, approvalSeconds: settings.AWAITING_APPROVAL_SECONDS };
  return async () => {
    // What is given up here becomes due again there.
    await wake('jobProcessor', 'renewalCheck', 'notificationProcess');
    const returned = await store.returnAbandoned(page);
    const unanswered = await store.failUnanswered(limits, page);
    const silent = await store.failSilent(page);
    const destroyed = await keys.sweep();
    const told = [...unanswered.notificationIds, ...silent.notificationIds];
    const lost = await queue.sendAll(told.map((notificationId) => ({ notificationId })));
    const processed = returned + unanswered.failed + silent.failed + destroyed;
    const [nextTimeout, nextKey] = [await store.nextDue(limits), await keys.nextDue()];
    const nextDue = nextTimeout !== undefined && nextKey !== undefined && nextKey < nextTimeout ? nextKey : (nextTimeout ?? nextKey);
    return { processed, failed: lost, nextDue };
  };
});
