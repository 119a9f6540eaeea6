import type { Profile } from '../issuance/profile.ts';
import type { AgentKeyAlgorithm } from './key-algorithm.ts';
import type { InspectedKeyType, InspectionReport } from './inspection.ts';

/** Why a deployment failed: the step of the pipeline. */
export const failureClasses = [
  'validate',
  'write',
  'reload',
  'verify',
  'rollback_failed',
  'rollback_impossible',
  'connector',
  'key_mismatch',
] as const;
export type FailureClass = (typeof failureClasses)[number];

/** A job that an agent has claimed. Every later word about it quotes the lease token. */
export type WorkItem = {
  readonly jobId: string;
  readonly leaseToken: string;
  readonly leaseExpiresAt: Date;
  readonly attempt: number;
} & (
  | {
      readonly type: 'csr';
      readonly certificateId: string;
      readonly commonName: string | undefined;
      readonly sans: readonly { readonly type: string; readonly value: string }[];
      readonly keyAlgorithm: AgentKeyAlgorithm;
      readonly mustStaple: boolean;
    }
  | {
      readonly type: 'deployment';
      readonly certificateId: string;
      readonly deploymentId: string;
      readonly versionId: string;
      readonly targetId: string;
      readonly targetType: string;
      readonly config: Readonly<Record<string, unknown>>;
      /** What the target calls its certificate, where it gives names. */
      readonly reference: string | undefined;
    }
  | {
      /** To look at a target, and to try what a deployment would need. */
      readonly type: 'inspection';
      readonly targetId: string;
      readonly targetType: string;
      readonly config: Readonly<Record<string, unknown>>;
      readonly reference: string | undefined;
      /** Of what was deployed there, for servers with several certificates. */
      readonly keyType: InspectedKeyType | undefined;
      /** SHA-256 in hex of what may be there, for an agent that counts the certificates of a pool. */
      readonly expected: readonly string[] | undefined;
    }
);

/** What an agent says of a deployment. */
export interface DeploymentReport {
  readonly ok: boolean;
  readonly idempotent: boolean;
  readonly rolledBack: boolean;
  readonly failureClass: FailureClass | undefined;
  readonly detail: string | undefined;
  readonly backupPaths: readonly string[];
  readonly durationMs: number;
  /** What the server served afterwards, SHA-256 of the certificate in hex; undefined: not looked at, as the target's configuration wants. */
  readonly observed: string | undefined;
  /** What the target calls its certificate by now, where it gives names. */
  readonly reference: string | undefined;
}

/** How a report was taken: `stale` when the job is another's by then, or has ended otherwise. */
export type Reported =
  /** `nextDue`: when work of the agent becomes due by it. */
  { readonly kind: 'taken'; readonly status: string; readonly nextDue?: Date } | { readonly kind: 'stale' } | { readonly kind: 'unknown' };

export interface CsrJob {
  readonly certificateId: string;
  readonly commonName: string | undefined;
  readonly sans: readonly { readonly type: string; readonly value: string }[];
  readonly keyAlgorithm: AgentKeyAlgorithm;
  readonly profile: Profile;
  readonly status: string;
  readonly leaseToken: string | undefined;
  /** DER, once it has been handed in. */
  readonly csr: Uint8Array | undefined;
  readonly keyIsUsed: boolean;
}

/** What a deployment of a version needs to know besides its work item. */
export interface PickedUp {
  /** DER, the certificate first, without the root. */
  readonly chain: readonly Uint8Array[];
  /** PEM of issuers that are not ours. */
  readonly foreignChain: string | undefined;
  readonly fingerprint: string;
}

export interface AgentWork {
  claim(
    agentId: string,
    lease: { readonly token: string; readonly seconds: number },
    limit: number,
  ): Promise<{
    readonly items: readonly WorkItem[];
    /** When the next job is due, of those that nobody holds now. */
    readonly nextDue: Date | undefined;
    /** Certificates are being signed for it: work comes within seconds. */
    readonly expecting: boolean;
  }>;
  /** Ends the leases of jobs that the agent has none of, because it never heard of them. @returns how many */
  letGo(agentId: string, holding: readonly string[]): Promise<number>;
  /** The lease lasts so many seconds from now; undefined when it is another's, or has ended. */
  renewLease(agentId: string, jobId: string, token: string, seconds: number): Promise<Date | undefined>;
  csrJob(agentId: string, jobId: string, spkiSha256: Uint8Array): Promise<CsrJob | undefined>;
  /** awaiting_csr → pending, outbox and audit in one commit; false when the lease is another's. @param csr DER */
  submitCsr(agentId: string, jobId: string, token: string, csr: Uint8Array): Promise<boolean>;
  /** A version that a deployment of this agent is about. */
  certificate(agentId: string, versionId: string): Promise<PickedUp | undefined>;
  reportDeployment(agentId: string, jobId: string, token: string, report: DeploymentReport, retryFraction: number): Promise<Reported>;
  reportInspection(agentId: string, jobId: string, token: string, report: InspectionReport): Promise<Reported>;
  /** The agent could make no key or CSR. */
  reportCsrFailure(agentId: string, jobId: string, token: string, reason: string, retryFraction: number): Promise<Reported>;
}
