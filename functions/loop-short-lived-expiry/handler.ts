import { z } from 'zod';
import { shortLivedStore } from '#adapters/postgres/short-lived.ts';
import { chance } from '../shared/chance.ts';
import { loopEnvironment, loopHandler } from '../shared/loop.ts';

const settings = z.object(loopEnvironment).parse(process.env);
const page = 1000;

/** shortLivedExpiryCheck: notes the ends of certificates that lived less than an hour. */
export const handler = loopHandler('shortLivedExpiryCheck', settings, ({ database, wake }) => {
  const store = shortLivedStore(database);
  return async (run) => {
    await wake('notificationProcess');
    let processed = 0;
    let noted = page;
    while (noted === page && chance.now() < run.deadline) {
      noted = await store.noteEnds(page);
      processed += noted;
    }
    return { processed, failed: 0, nextDue: await store.nextDue() };
  };
});
