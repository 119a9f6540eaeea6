import type { CompromiseWork } from '../revocation/compromise.ts';
import type { JobStore } from './job.ts';
import type { Runner } from './outcome.ts';

const budgetMs = 40_000;
const signingSeconds = 15;

/**
 * Revokes every leaf of a compromised CA, page by page, then publishes its CRLs that are due. Each page is a commit of its own and leaves what is left to
 * be found by whoever goes on, so that a death costs the page it was at. What was being signed when the CA fell is waited for.
 */
export function compromise(ports: {
  readonly jobs: JobStore;
  readonly work: CompromiseWork;
  readonly publish: (caId: string) => Promise<unknown>;
  readonly now: () => number;
}): Runner {
  return {
    async run(job) {
      const deadline = ports.now() + budgetMs;
      // Looked at first: what appears after this look is met by the next pass.
      const isSigning = await ports.work.isSigning(job.subjectId);
      for (let after: string | undefined = ''; after !== undefined;) {
        if (ports.now() >= deadline) return { kind: (await ports.jobs.pause(job, 0)) ? 'waiting' : 'lost' };
        const met = await ports.work.revokeNext(job, after);
        if (met === undefined) return { kind: 'lost' };
        after = met.last;
      }
      if (isSigning) return { kind: (await ports.jobs.pause(job, signingSeconds)) ? 'waiting' : 'lost' };
      await ports.publish(job.subjectId);
      return { kind: (await ports.jobs.complete(job)) ? 'done' : 'lost' };
    },
    async conclude(job, reason) {
      return { kind: (await ports.jobs.fail(job, reason)) ? 'failed' : 'lost' };
    },
  };
}
