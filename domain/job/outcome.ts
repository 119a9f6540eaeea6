import type { ClaimedJob } from './job.ts';

/** How an attempt at a job ended; `lost`: the lease was another's by then, and nothing was written. */
export type Outcome = { readonly kind: 'done' | 'failed' | 'lost' | 'waiting' } | { readonly kind: 'again'; readonly delaySeconds: number };

/** What a type of job does. */
export interface Runner {
  run(job: ClaimedJob): Promise<Outcome>;
  /** The final failure, with all that hangs on it; called when no attempt is left. */
  conclude(job: ClaimedJob, reason: string): Promise<Outcome>;
}
