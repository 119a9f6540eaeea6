import type { CrlEntries, CrlEntry } from './crl-entries.ts';
import type { CrlScope, CrlShard } from './crl-scope.ts';

/** A certificate as revocation sees it. */
export interface RevocableCertificate {
  readonly id: string;
  readonly caId: string;
  readonly serial: string;
  /** DER */
  readonly certificate: Uint8Array;
  readonly profileId: string;
  readonly accountId: string | undefined;
  readonly names: readonly { readonly type: string; readonly value: string }[];
  readonly notAfter: Date;
  /** For good: a hold is none. */
  readonly revoked: boolean;
  /** Its order renews it by itself (RFC 8739). */
  readonly autoRenewed: boolean;
}

export interface RevocationStore {
  /** @param fingerprint SHA-256 of the whole certificate's DER */
  revocable(fingerprint: Uint8Array): Promise<RevocableCertificate | undefined>;
  /**
   * Whether an account holds valid, unexpired authorizations for every name of a certificate. Those that were granted on trust count
   * under their own profile only.
   */
  holdsAuthorizations(accountId: string, certificate: Pick<RevocableCertificate, 'names' | 'profileId'>): Promise<boolean>;
  /**
   * Revocation, audit, blocked key where it is compromised, notification and CRL job in one commit; undefined when it was revoked already.
   *
   * @returns a new job to hint at, if one was made
   */
  revoke(revocation: {
    readonly certificate: RevocableCertificate;
    readonly reason: number;
    readonly actor: string;
  }): Promise<{ readonly jobId: string | undefined } | undefined>;
  /** Status of one certificate: undefined when the CA never issued it. */
  status(caId: string, serial: string): Promise<{ readonly revokedAt: Date; readonly reason: number } | 'good' | undefined>;
}

/** What a CRL is built from, read in one snapshot, with the number that it will carry. */
export interface CrlDraft {
  readonly number: bigint;
  readonly epoch: bigint;
  readonly entries: CrlEntries;
  /** Of a shard. */
  readonly url: string | undefined;
}

export interface CrlStore {
  /** Reserves the scope's next number; numbers never repeat, though some may never be published (RFC 5280 §5.2.3). @throws {CaError} `notFound` */
  draft(scope: CrlScope, now: Date): Promise<CrlDraft>;
  published(scope: CrlScope, draft: CrlDraft, thisUpdate: Date, nextUpdate: Date): Promise<void>;
  /** The last numbers that were reserved for a CA's CRLs, by shard; none for what never was to be published. */
  numbers(caId: string): Promise<ReadonlyMap<number | undefined, bigint>>;
  /** Of one CA, by their numbers. */
  shards(caId: string): Promise<readonly CrlShard[]>;
  /**
   * Keeps revocations that were published and are not known here, with what hangs on them: keys, managed certificates, CAs. By the rules of
   * `reason.ts`; what is known here for a better reason stays.
   *
   * @returns how many were not known
   */
  takeBack(scope: CrlScope, entries: readonly CrlEntry[]): Promise<number>;
  /** Keeps a shard that was published and is not known here. */
  adopt(caId: string, shard: CrlShard): Promise<void>;
  /** Lets the numbers go on above one, and makes the CRL due; what came back is audited in the same commit. */
  raise(scope: CrlScope, number: bigint, facts: { readonly published: bigint; readonly taken: number }): Promise<void>;
  /** All CAs, by their ids. */
  authorities(): Promise<readonly string[]>;
  /** CRLs that lack a revocation or are past half of their life. */
  due(now: Date): Promise<readonly CrlScope[]>;
  /** When the next published CRL is past half of its life, and the smallest share of life that any has left (0 to 1). */
  outlook(now: Date): Promise<{ readonly nextDue: Date | undefined; readonly validityLeft: number | undefined }>;
}
