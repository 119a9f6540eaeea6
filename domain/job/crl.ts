import { parseScope, type CrlScope } from '../revocation/crl-scope.ts';
import type { JobStore } from './job.ts';
import type { Runner } from './outcome.ts';

/**
 * Publishes the CRL that the job names. A revocation that comes while we build joins this job instead of making its own, so
 * the CRL is looked at once more after the job has closed. When all attempts fail, crlGeneration still finds the CRL due.
 */
export function crl(ports: {
  readonly jobs: JobStore;
  readonly publish: (scope: CrlScope) => Promise<unknown>;
  readonly isDue: (scope: CrlScope) => Promise<boolean>;
}): Runner {
  return {
    async run(job) {
      const scope = parseScope(job.subjectId);
      if (await ports.isDue(scope)) await ports.publish(scope);
      const completed = await ports.jobs.complete(job);
      if (await ports.isDue(scope)) await ports.publish(scope);
      return { kind: completed ? 'done' : 'lost' };
    },
    async conclude(job, reason) {
      return { kind: (await ports.jobs.fail(job, reason)) ? 'failed' : 'lost' };
    },
  };
}
