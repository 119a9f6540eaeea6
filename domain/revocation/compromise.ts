import type { ClaimedJob } from '../job/job.ts';
import type { AuthorityState } from '../issuance/authority-lifecycle.ts';

/** A CA that a compromise concerns. */
export interface CompromisedAuthority {
  readonly id: string;
  readonly name: string;
  /** Whose CRL lists it; undefined: nobody's. */
  readonly parentId: string | undefined;
  readonly state: AuthorityState;
  /** Certificates of it that live and are not revoked; those held count. */
  readonly leaves: number;
  /** Issuers and profiles that have it sign. */
  readonly chosenBy: readonly string[];
}

export interface CompromiseStore {
  /** The CA and, where they are meant, those below it, from the top down. @throws {CaError} `notFound` */
  survey(caId: string, descendants: boolean): Promise<readonly CompromisedAuthority[]>;
  /**
   * Revokes the CA for caCompromise and, where they are meant, all below it, in one commit with the jobs for their leaves. Said again, it
   * makes the jobs that are missing.
   *
   * @returns jobs to hint at @throws {CaError} `notFound`
   */
  declare(caId: string, descendants: boolean, actor: string): Promise<readonly string[]>;
}

/** What a job for the leaves of one CA does; every write names its lease. */
export interface CompromiseWork {
  /** Whether a certificate of the CA may be about to appear: its serial is reserved, and it is not here yet. */
  isSigning(caId: string): Promise<boolean>;
  /**
   * Revokes the next leaves and prolongs the lease.
   *
   * @param after serial of the last one met, or empty
   * @returns the last one met by now, none at the end; undefined when the lease is another's
   */
  revokeNext(job: ClaimedJob, after: string): Promise<{ readonly last: string | undefined } | undefined>;
}
