import type { JobStore } from './job.ts';
import type { Runner } from './outcome.ts';

/**
 * Publishes the CRL of the CA that the job names. A revocation that comes while we build joins this job instead of making its own, so
 * the CA is looked at once more after the job has closed. When all attempts fail, crlGeneration still finds the CRL due.
 */
export function crl(ports: {
  readonly jobs: JobStore;
  readonly publish: (caId: string) => Promise<unknown>;
  readonly isDue: (caId: string) => Promise<boolean>;
}): Runner {
  return {
    async run(job) {
      if (await ports.isDue(job.subjectId)) await ports.publish(job.subjectId);
      const completed = await ports.jobs.complete(job);
      if (await ports.isDue(job.subjectId)) await ports.publish(job.subjectId);
      return { kind: completed ? 'done' : 'lost' };
    },
    async conclude(job, reason) {
      return { kind: (await ports.jobs.fail(job, reason)) ? 'failed' : 'lost' };
    },
  };
}
