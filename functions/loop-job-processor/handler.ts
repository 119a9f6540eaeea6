import { z } from 'zod';
import { connectDatabase } from '#adapters/postgres/connection.ts';
import { dispatchStore } from '#adapters/postgres/jobs.ts';
import { jobQueue } from '#adapters/sqs/job-queue.ts';
import { chance } from '../shared/chance.ts';
import { environment } from '../shared/environment.ts';
import { log } from '../shared/log.ts';

const settings = z.object({ ...environment.database, ...environment.queue }).parse(process.env);
const page = 500;
const database = connectDatabase(settings, 'loop-job-processor', 60_000);
const store = dispatchStore(database);
const queue = jobQueue(settings.JOB_QUEUE_URL);

/** Repairs what a lost hint, a dead worker or a dead request left behind; safe to run at any time, in any number. */
export async function handler(event: {
  readonly warmup?: true;
}): Promise<{ readonly hinted: number; readonly adopted: number; readonly expired: number }> {
  if (event.warmup === true) return { hinted: 0, adopted: 0, expired: 0 };
  database.wake(chance.now());
  const adopted = await store.adoptProcessingOrders(page);
  const stranded = await store.stranded(page);
  for (const jobId of stranded) await queue.send(jobId);
  const expired = await store.expireOrders(page);
  const done = { hinted: stranded.length, adopted, expired };
  if (stranded.length + adopted + expired > 0) log.info('repaired', done);
  return done;
}
