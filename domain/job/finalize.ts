import { errorUrn } from '../acme/problem-document.ts';
import { signIntent, type SigningAuthority } from '../issuance/issue.ts';
import type { IssuanceStore } from '../issuance/store.ts';
import type { ClaimedJob, JobStore } from './job.ts';
import type { Outcome, Runner } from './outcome.ts';

const leaseSeconds = 30;

export interface FinalizePorts {
  readonly jobs: JobStore;
  readonly issuance: IssuanceStore;
  readonly authority: (caId: string) => Promise<SigningAuthority>;
  readonly newId: () => string;
}

/**
 * Finishes an order whose request died between the signing log and the certificate: signs what the log holds, under the serial that
 * it reserved.
 */
export function finalize(ports: FinalizePorts): Runner {
  const complete = async (job: ClaimedJob): Promise<Outcome> => ({ kind: (await ports.jobs.complete(job)) ? 'done' : 'lost' });
  return {
    async run(job) {
      const claimed = await ports.issuance.claimProcessing(job.subjectId, leaseSeconds);
      // Finished meanwhile, or somebody else holds it: their end is the order's.
      if (claimed === undefined) return complete(job);
      const { signer } = await ports.authority(claimed.intent.caId);
      // The order's completion completes its job too.
      await ports.issuance.completeFinalize(job.subjectId, await signIntent(claimed.intent, signer, ports.newId()));
      await ports.jobs.complete(job);
      return { kind: 'done' };
    },
    async conclude(job) {
      const error = { type: errorUrn('serverInternal'), detail: 'the certificate could not be issued', status: 500 };
      await ports.issuance.failOrder(job.subjectId, error);
      return { kind: (await ports.jobs.fail(job, 'the certificate could not be issued')) ? 'failed' : 'lost' };
    },
  };
}
