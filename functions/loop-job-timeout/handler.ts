import { z } from 'zod';
import { jobTimeouts } from '#adapters/postgres/job-timeouts.ts';
import { loopEnvironment, loopHandler } from '../shared/loop.ts';

const seconds = (value: number): z.ZodType<number> => z.coerce.number().int().min(60).default(value);
const settings = z
  .object({ ...loopEnvironment, AWAITING_CSR_SECONDS: seconds(24 * 3600), AWAITING_APPROVAL_SECONDS: seconds(168 * 3600) })
  .parse(process.env);
const page = 500;

/** jobTimeout: ends what waits for somebody who does not come. */
export const handler = loopHandler('jobTimeout', settings, ({ database, wake }) => {
  const store = jobTimeouts(database);
  const limits = { csrSeconds: settings.AWAITING_CSR_SECONDS, approvalSeconds: settings.AWAITING_APPROVAL_SECONDS };
  return async () => {
    await wake('jobProcessor', 'notificationProcess');
    const returned = await store.returnAbandoned(page);
    const unanswered = await store.failUnanswered(limits, page);
    return { processed: returned + unanswered, failed: 0, nextDue: await store.nextDue(limits) };
  };
});
