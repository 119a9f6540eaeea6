import * as z from 'zod';
import { agentStates } from '#adapters/dynamodb/agent-states.ts';
import { dynamodbClient } from '#adapters/dynamodb/client.ts';
import { agentStore } from '#adapters/postgres/agents.ts';
import { outboxStore } from '#adapters/postgres/outbox.ts';
import { policyRules } from '#adapters/postgres/policies.ts';
import { renewalStore } from '#adapters/postgres/renewals.ts';
import { jobQueue } from '#adapters/sqs/job-queue.ts';
import { chance } from '../shared/chance.ts';
import { environment } from '../shared/environment.ts';
import { loopEnvironment, loopHandler } from '../shared/loop.ts';
import { agentTeller } from '../shared/tell-agents.ts';

const settings = z.object({ ...loopEnvironment, ...environment.queue }).parse(process.env);
const page = 500;

/** renewalCheck: jobs and alerts for what is due, page by page; a page that was committed stays done whatever happens to the next. */
export const handler = loopHandler('renewalCheck', settings, ({ database, wake }) => {
  const store = renewalStore(database);
  const policies = policyRules(database);
  const queue = jobQueue(settings.JOB_QUEUE_URL);
  const tell = agentTeller({
    agents: agentStore(database),
    states: agentStates(dynamodbClient(3000), settings.STATE_TABLE),
    outbox: outboxStore(database),
  });
  return async (run) => {
    let processed = 0;
    let failed = 0;
    let full = true;
    while (full && chance.now() < run.deadline) {
      await wake('jobProcessor', 'jobTimeout', 'notificationProcess');
      const renewals = await store.makeJobs(page);
      const shares = await store.makeCsrJobs(page);
      await tell(shares.agentIds);
      const alerts = await store.alert(page);
      failed += await queue.sendAll([
        ...renewals.jobIds.map((jobId) => ({ jobId })),
        ...alerts.notificationIds.map((notificationId) => ({ notificationId })),
      ]);
      processed += renewals.examined + shares.examined + alerts.examined;
      full = renewals.examined === page || shares.examined === page || alerts.examined === page;
    }
    // Rules that look at the calendar are broken by nobody's doing.
    while (chance.now() < run.deadline && (await policies.sweepOne())) processed += 1;
    return { processed, failed, nextDue: await store.nextDue() };
  };
});
