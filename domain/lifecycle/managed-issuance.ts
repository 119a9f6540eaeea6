import type { SigningIntent, IssuedCertificate } from '../issuance/store.ts';
import type { Profile } from '../issuance/profile.ts';
import type { ClaimedJob } from '../job/job.ts';

/** What a job needs to know to issue a version of a managed certificate. */
export interface Managed {
  readonly id: string;
  readonly name: string;
  readonly state: 'pending' | 'active' | 'held' | 'revoked' | 'archived';
  readonly profile: Profile;
  readonly issuer: {
    readonly id: string;
    readonly type: 'local' | 'aws-private-ca';
    readonly enabled: boolean;
    readonly config: unknown;
    /** The CA that signs for a local issuer; undefined: the one that the profile names. */
    readonly issuingCaId: string | undefined;
  };
  /** PKCS#10, DER. */
  readonly csr: Uint8Array | undefined;
  /** Nobody handed it in for this job. */
  readonly csrKept: boolean;
  readonly commonName: string | undefined;
  /** Where whoever deploys it makes its keys. */
  readonly keyAlgorithm: string | undefined;
  /** Of the CSR that the certificate was made with. */
  readonly names: readonly { readonly type: string; readonly value: string }[];
  /** Names of the policy rules that block and that it breaks. */
  readonly brokenRules: readonly string[];
  readonly policy: RenewalPolicy;
}

export interface RenewalPolicy {
  readonly windowDays: number;
  readonly retryIntervalSeconds: number;
  readonly alertThresholdDays: readonly number[];
}

/** A version, and when the certificate is due again. */
export interface NewVersion {
  readonly certificate: Omit<IssuedCertificate, 'caId'> & { readonly caId: string | undefined };
  readonly issuerId: string;
  /** PEM, where the issuers are not ours. */
  readonly chain: string | undefined;
  readonly vendorRef: string | undefined;
  readonly renewAt: Date;
  readonly alertAt: Date | undefined;
}

export interface ManagedIssuanceStore {
  /** Undefined when the certificate is gone or the lease is another's. */
  load(job: ClaimedJob): Promise<Managed | undefined>;
  /** Reserves what will be signed for this job; returns what an earlier attempt reserved, if one did. Undefined: the lease is lost. @throws {CaError} `unavailable` when the CA signs no leaves any more */
  reserve(job: ClaimedJob, intent: SigningIntent): Promise<SigningIntent | undefined>;
  /** Version, certificate, signing log, notification, audit and job in one commit; false: the lease is lost. */
  complete(job: ClaimedJob, version: NewVersion): Promise<boolean>;
  /** Keeps a certificate that came after its lease was lost, so that it can be revoked. */
  keepOrphan(job: ClaimedJob, version: NewVersion): Promise<void>;
  /** Whether nobody may certify a key again. @param spki DER */
  isBlocked(spki: Uint8Array): Promise<boolean>;
  /** The job waits for somebody to hand in a CSR. @param reason why what is kept does not serve */
  awaitCsr(job: ClaimedJob, reason?: string): Promise<boolean>;
  /** Failed, to be brought back after a delay. */
  retryLater(job: ClaimedJob, delaySeconds: number, reason: string): Promise<boolean>;
  /** Failed for good: the certificate hears of it, and its owner too. */
  giveUp(job: ClaimedJob, reason: string): Promise<boolean>;
}
