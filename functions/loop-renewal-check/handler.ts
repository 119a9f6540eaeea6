import * as z from 'zod';
import { agentStates } from '#adapters/dynamodb/agent-states.ts';
import { dynamodbClient } from '#adapters/dynamodb/client.ts';
import { authorityAlerts } from '#adapters/postgres/authority-alerts.ts';
import { outboxStore } from '#adapters/postgres/outbox.ts';
import { policyRules } from '#adapters/postgres/policies.ts';
import { renewalStore, type Page, type SharePage } from '#adapters/postgres/renewals.ts';
import { urgentRenewals } from '#adapters/postgres/urgent-renewals.ts';
import { jobQueue } from '#adapters/sqs/job-queue.ts';
import { chance } from '../shared/chance.ts';
import { environment } from '../shared/environment.ts';
import { loopEnvironment, loopHandler } from '../shared/loop.ts';
import { agentTeller } from '../shared/tell-agents.ts';

const settings = z
  .object({ ...loopEnvironment, ...environment.queue, AGENT_RENEWALS_PER_SECOND: z.coerce.number().int().min(1).max(1000).default(10) })
  .parse(process.env);
const page = 500;
const over: SharePage = { ids: [], hints: [], examined: 0 };
const first: SharePage = { ...over, examined: page };
const mayHaveMore = ({ examined }: Page): boolean => examined === page;

/** renewalCheck: jobs and alerts for what is due, page by page; a page that was committed stays done whatever happens to the next. */
export const handler = loopHandler('renewalCheck', settings, ({ database, wake }) => {
  const store = renewalStore(database);
  const urgent = urgentRenewals(database);
  const authorities = authorityAlerts(database);
  const policies = policyRules(database);
  const queue = jobQueue(settings.JOB_QUEUE_URL);
  const tell = agentTeller({
    states: agentStates(dynamodbClient(3000), settings.STATE_TABLE),
    outbox: outboxStore(database),
  });
  return async (run) => {
    let processed = 0;
    let failed = 0;
    let renewals: Page = first;
    let shares = first;
    let alerts: Page = first;
    // First what cannot wait for its time, so that it has its job by this tick.
    while (chance.now() < run.deadline) {
      await wake('notificationProcess');
      const hastened = await urgent.hasten(settings.AGENT_RENEWALS_PER_SECOND);
      if (hastened === undefined) break;
      failed += await queue.sendAll(hastened.ids.map((notificationId) => ({ notificationId })));
      processed += hastened.examined;
    }
    const ending = await authorities.alert(page);
    failed += await queue.sendAll(ending.ids.map((notificationId) => ({ notificationId })));
    processed += ending.examined;
    // Hints of one page are on their way while the next is read; what is not full is not read again.
    let sending = Promise.resolve(0);
    do {
      await wake('jobProcessor', 'jobTimeout', 'notificationProcess');
      renewals = mayHaveMore(renewals) ? await store.makeJobs(page) : over;
      shares = mayHaveMore(shares) ? await store.makeCsrJobs(page, settings.AGENT_RENEWALS_PER_SECOND) : over;
      await tell(shares.ids);
      alerts = mayHaveMore(alerts) ? await store.alert(page) : over;
      failed += await sending;
      const jobs = [...renewals.ids, ...shares.hints].map((jobId) => ({ jobId }));
      sending = queue.sendAll([...jobs, ...alerts.ids.map((notificationId) => ({ notificationId }))]);
      processed += renewals.examined + shares.examined + alerts.examined;
    } while ([renewals, shares, alerts].some(mayHaveMore) && chance.now() < run.deadline);
    failed += await sending;
    // Rules that look at the calendar are broken by nobody's doing.
    while (chance.now() < run.deadline && (await policies.sweepOne())) processed += 1;
    return { processed, failed, nextDue: await store.nextDue() };
  };
});
