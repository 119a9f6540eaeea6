import type { ProblemDocument } from '../acme/problem-document.ts';
import type { JsonObject } from '../json/strict.ts';

export const jobTypes = [
  'validation',
  'finalize',
  'crl',
  'issuance',
  'renewal',
  'csr',
  'deployment',
  'compromise',
  'revocation',
  'inspection',
] as const;
export type JobType = (typeof jobTypes)[number];

export const jobStatuses = ['pending', 'awaiting_csr', 'awaiting_approval', 'running', 'completed', 'failed', 'cancelled'] as const;
export type JobStatus = (typeof jobStatuses)[number];

/** Work that a worker holds: every later write names the lease token, so that a worker that was thought dead changes nothing. */
export interface ClaimedJob {
  readonly id: string;
  readonly type: JobType;
  readonly subjectId: string;
  readonly payload: JsonObject;
  /** Counts this attempt; above `maxAttempts` the job's last holder died, and the job is only to be concluded. */
  readonly attempts: number;
  readonly maxAttempts: number;
  readonly leaseToken: string;
  /** Whose work it is a part of; undefined: no agent's. */
  readonly agentId?: string;
}

export type Claim = { readonly job: ClaimedJob } | { readonly notBefore: Date } | 'done';

export interface JobStore {
  /** A due job becomes running; a job that must wait says until when; one that is finished or another's is `done`. */
  claim(jobId: string, leaseToken: string, leaseSeconds: number): Promise<Claim>;
  complete(job: ClaimedJob): Promise<boolean>;
  /** Back to pending, to be tried again after a delay. */
  retry(job: ClaimedJob, delaySeconds: number, reason: string): Promise<boolean>;
  /** Back to pending without the loss of an attempt: there is more to do, or something to wait for. */
  pause(job: ClaimedJob, delaySeconds: number): Promise<boolean>;
  fail(job: ClaimedJob, reason: string): Promise<boolean>;
}

export interface ValidationStore {
  /** Challenge, authorization, order and job in one commit; false when the lease was lost. @param until seconds since the epoch that the proof lasts */
  succeed(job: ClaimedJob, until?: number): Promise<boolean>;
  /** The challenge failed, which is an answer: the job is completed. */
  fail(job: ClaimedJob, error: ProblemDocument): Promise<boolean>;
  /** The challenge could not be tried: the job failed with it, for the reason given. */
  giveUp(job: ClaimedJob, error: ProblemDocument, reason: string): Promise<boolean>;
}

/** Delay before each further try of a validation, in seconds: about a minute in all. */
export const validationDelays = [5, 15, 30] as const;
