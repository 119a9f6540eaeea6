import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { z } from 'zod';
import { envelope } from '#adapters/kms/envelope.ts';
import { prober } from '#adapters/lambda/prober.ts';
import { connectDatabase } from '#adapters/postgres/connection.ts';
import { issuanceStore } from '#adapters/postgres/issuance.ts';
import { jobStore, validationStore } from '#adapters/postgres/jobs.ts';
import { crlStore } from '#adapters/postgres/revocations.ts';
import { artifacts } from '#adapters/s3/artifacts.ts';
import { jobQueue } from '#adapters/sqs/job-queue.ts';
import { newId } from '#domain/id.ts';
import type { ClaimedJob, JobType } from '#domain/job/job.ts';
import { runCrl } from '#domain/job/crl.ts';
import { runFinalize } from '#domain/job/finalize.ts';
import { runValidation } from '#domain/job/validation.ts';
import type { Outcome } from '#domain/job/outcome.ts';
import { authorities } from '../shared/authorities.ts';
import { chance } from '../shared/chance.ts';
import { crlPublisher } from '../shared/crl-publisher.ts';
import { environment } from '../shared/environment.ts';
import { log } from '../shared/log.ts';

const settings = z
  .object({
    ...environment.database,
    ...environment.artifacts,
    ...environment.envelope,
    ...environment.queue,
    ...environment.prober,
  })
  .parse(process.env);

const leaseSeconds = 60;
const database = connectDatabase(settings, 'worker', 60_000);
const jobs = jobStore(database);
const validations = validationStore(database);
const issuance = issuanceStore(database);
const authority = authorities(issuance, envelope(settings.ENVELOPE_KEY_ARN));
const probe = prober(settings.PROBER_FUNCTION);
const crls = crlStore(database);
const publish = crlPublisher(crls, artifacts(settings.ARTIFACT_BUCKET), () => chance.now());
const queue = jobQueue(settings.JOB_QUEUE_URL);

const runners: Readonly<Record<JobType, (job: ClaimedJob) => Promise<Outcome>>> = {
  validation: (job) => runValidation({ jobs, validations, probe }, job),
  finalize: (job) => runFinalize({ jobs, issuance, authority, newId: () => newId('cert', chance.now(), chance.random(10)) }, job),
  crl: (job) =>
    runCrl(
      {
        jobs,
        publish: async (caId) => publish(await authority(caId)),
        isDue: async (caId) => (await crls.due(new Date(chance.now()))).includes(caId),
      },
      job,
    ),
};

const hint = z.object({ jobId: z.string().min(1).max(128) });

/** Hints from the queue; each names a job, and the job's row is the truth. */
export async function handler(event: SQSEvent | { readonly warmup: true }, _context: Context): Promise<SQSBatchResponse> {
  if (!('Records' in event)) return { batchItemFailures: [] };
  database.wake(chance.now());
  const failures = await Promise.all(
    event.Records.map(async (record) => {
      try {
        const again = await work(record.body);
        if (again === undefined) return undefined;
        await queue.postpone(record.receiptHandle, again);
      } catch (error) {
        log.error('a job was not done', { messageId: record.messageId, error: error as Error });
      }
      return { itemIdentifier: record.messageId };
    }),
  );
  return { batchItemFailures: failures.filter((failure) => failure !== undefined) };
}

/** Seconds after which the message shall come back; undefined when it is done with. */
async function work(body: string): Promise<number | undefined> {
  const { jobId } = hint.parse(JSON.parse(body));
  const claim = await jobs.claim(jobId, newId('lease', chance.now(), chance.random(10)), leaseSeconds);
  if (claim === 'done') return undefined;
  if ('notBefore' in claim) return Math.max(0, Math.ceil((claim.notBefore.getTime() - chance.now()) / 1000));
  const outcome = await runners[claim.job.type](claim.job);
  log.info('job', { jobId, type: claim.job.type, subjectId: claim.job.subjectId, attempt: claim.job.attempts, outcome: outcome.kind });
  return outcome.kind === 'again' ? outcome.delaySeconds : undefined;
}
