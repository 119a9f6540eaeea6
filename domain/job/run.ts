import { backoffSeconds } from './backoff.ts';
import { isTransient, reasonOf } from './failure.ts';
import type { ClaimedJob, JobStore } from './job.ts';
import type { Outcome, Runner } from './outcome.ts';

const baseSeconds = 5;

/** An attempt's outcome, and the error that a caller shall still report. */
export interface Attempt {
  readonly outcome: Outcome;
  readonly error?: unknown;
}

/**
 * One attempt at a claimed job. What the runner did not expect is tried again with growing delays while attempts remain; a refusal, or the
 * last failure, concludes the job.
 *
 * @param dice a fraction from 0 to 1
 * @throws when not even the failure could be written; the lease then ends by itself
 */
export async function attempt(jobs: JobStore, runner: Runner, job: ClaimedJob, dice: () => number): Promise<Attempt> {
  if (job.attempts > job.maxAttempts)
    return { outcome: await runner.conclude(job, 'lease_expired: the last attempt ended without a word') };
  try {
    return { outcome: await runner.run(job) };
  } catch (error) {
    if (!isTransient(error) || job.attempts >= job.maxAttempts) return { outcome: await runner.conclude(job, reasonOf(error)), error };
    const delaySeconds = backoffSeconds(baseSeconds, job.attempts, dice());
    const kept = await jobs.retry(job, delaySeconds, reasonOf(error));
    return { outcome: kept ? { kind: 'again', delaySeconds } : { kind: 'lost' }, error };
  }
}
