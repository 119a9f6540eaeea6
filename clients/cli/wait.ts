import { getJob, type JobBody } from '#contract/jobs.ts';
import { call, type Connection } from '../http/call.ts';

const ended = ['completed', 'failed', 'cancelled'];

/**
 * Waits until a job has ended and tells each change meanwhile.
 *
 * @param tell gets a line for people
 * @returns the job as it ended; still failed ones that will be tried again are waited for too
 */
export async function waitForJob(connection: Connection, id: string, tell: (line: string) => void): Promise<JobBody> {
  let said = '';
  for (let delay = 200; ; delay = Math.min(delay * 1.5, 5000)) {
    const job = await call(connection, getJob, { params: { id } });
    const line = `${id} ${job.status}${job.last_error === null ? '' : `: ${job.last_error}`}${job.retryable ? ` (again at ${job.run_at})` : ''}`;
    if (line !== said) tell(line);
    said = line;
    if (ended.includes(job.status) && !job.retryable) return job;
    await new Promise((resolve) => setTimeout(resolve, delay));
  }
}
