import * as z from 'zod';
import { dispatchStore } from '#adapters/postgres/dispatch.ts';
import { inspections } from '#adapters/postgres/inspections.ts';
import { jobQueue } from '#adapters/sqs/job-queue.ts';
import { connectorAgentId } from '#domain/agent/connector.ts';
import { environment } from '../shared/environment.ts';
import { loopEnvironment, loopHandler } from '../shared/loop.ts';
import { measure } from '../shared/metrics.ts';

const settings = z.object({ ...loopEnvironment, ...environment.queue }).parse(process.env);
const page = 1000;
// A tick later the queue has had its time; a hint less would be a queue full of copies.
const hintSeconds = 50;

/** jobProcessor and jobRetry: repairs what a lost hint, a dead worker or a dead request left behind. */
export const handler = loopHandler('jobProcessor', settings, ({ database }) => {
  const store = dispatchStore(database);
  const looks = inspections(database);
  const queue = jobQueue(settings.JOB_QUEUE_URL);
  return async (run) => {
    const adopted = await store.adoptProcessingOrders(page);
    // An agent that polls has its looks made when it comes; the connector does not poll.
    await looks.arm(connectorAgentId, page);
    const jobIds = [...(await store.bringBack(page)), ...(await store.stranded(page, run.forced ? 0 : hintSeconds))];
    const failed = await queue.sendAll(jobIds.map((jobId) => ({ jobId })));
    const { nextDue, oldestPendingSeconds } = await store.outlook();
    measure('PendingJobAgeSeconds', oldestPendingSeconds);
    return { processed: adopted + jobIds.length - failed, failed, nextDue };
  };
});
