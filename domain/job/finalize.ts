import { errorUrn } from '../acme/problem-document.ts';
import { signIntent, type SigningAuthority } from '../issuance/issue.ts';
import type { IssuanceStore } from '../issuance/store.ts';
import type { ClaimedJob, JobStore } from './job.ts';
import type { Outcome } from './outcome.ts';

const leaseSeconds = 30;

/**
 * Finishes an order whose request died between the signing log and the certificate: signs what the log holds, under the serial that
 * it reserved.
 */
export async function runFinalize(
  ports: {
    readonly jobs: JobStore;
    readonly issuance: IssuanceStore;
    readonly authority: (caId: string) => Promise<SigningAuthority>;
    readonly newId: () => string;
  },
  job: ClaimedJob,
): Promise<Outcome> {
  const claimed = await ports.issuance.claimProcessing(job.subjectId, leaseSeconds);
  // Finished meanwhile, or somebody else holds it: their end is the order's.
  if (claimed === undefined) return { kind: (await ports.jobs.complete(job)) ? 'done' : 'lost' };
  try {
    const { signer } = await ports.authority(claimed.intent.caId);
    await ports.issuance.completeFinalize(job.subjectId, await signIntent(claimed.intent, signer, ports.newId()));
    await ports.jobs.complete(job);
    return { kind: 'done' };
  } catch (error) {
    if (job.attempts < job.maxAttempts) throw error;
    await ports.issuance.failOrder(job.subjectId, {
      type: errorUrn('serverInternal'),
      detail: 'the certificate could not be issued',
      status: 500,
    });
    return { kind: (await ports.jobs.fail(job, 'the certificate could not be issued')) ? 'failed' : 'lost' };
  }
}
