import type { ConnectorAnswer, ConnectorCall } from '../connector/call.ts';
import { CaError } from '../error.ts';
import type { ClaimedJob, JobStore } from './job.ts';
import type { Runner } from './outcome.ts';

/** A certificate of a CA elsewhere that was revoked here. */
export interface UpstreamRevocation {
  readonly issuer: { readonly type: 'aws-private-ca'; readonly config: Record<string, unknown> };
  /** Canonical hex. */
  readonly serial: string;
  /** CRLReason (RFC 5280 §5.3.1). */
  readonly reason: number;
}

export interface UpstreamRevocationStore {
  /** What the job is to tell; undefined when there is nothing any more. */
  load(job: ClaimedJob): Promise<UpstreamRevocation | undefined>;
  /** The CA took it: noted with the job's end and the audit row in one commit. */
  told(job: ClaimedJob): Promise<boolean>;
  /** The CA refuses, or was asked often enough: the job fails, and its certificate says why. */
  refused(job: ClaimedJob, reason: string): Promise<boolean>;
}

/** Tells a CA elsewhere of a revocation. A CA that knows already has been told by an attempt that died. */
export function revocation(ports: {
  readonly jobs: JobStore;
  readonly store: UpstreamRevocationStore;
  readonly ask: (call: ConnectorCall) => Promise<ConnectorAnswer>;
}): Runner {
  return {
    async run(job) {
      const revoked = await ports.store.load(job);
      if (revoked === undefined) return { kind: (await ports.jobs.complete(job)) ? 'done' : 'lost' };
      const answer = await ports.ask({ kind: 'revoke', ...revoked });
      if (!answer.ok) throw new CaError(answer.final ? 'policyViolation' : 'unavailable', answer.detail);
      return { kind: (await ports.store.told(job)) ? 'done' : 'lost' };
    },
    async conclude(job, reason) {
      return { kind: (await ports.store.refused(job, reason)) ? 'failed' : 'lost' };
    },
  };
}
