import type { CrlEntries, CrlEntry } from './crl-entries.ts';

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
}

export interface CrlStore {
  /** Reserves the next number; numbers never repeat, though some may never be published (RFC 5280 §5.2.3). */
  draft(caId: string, now: Date): Promise<CrlDraft>;
  published(caId: string, draft: CrlDraft, thisUpdate: Date, nextUpdate: Date): Promise<void>;
  /** The last number that was reserved; 0: none. */
  number(caId: string): Promise<bigint>;
  /**
   * Keeps revocations that were published and are not known here, with what hangs on them: keys, managed certificates, CAs. By the rules of
   * `reason.ts`; what is known here for a better reason stays.
   *
   * @returns how many were not known
   */
  takeBack(caId: string, entries: readonly CrlEntry[]): Promise<number>;
  /** Lets the numbers go on above one, and makes the CRL due; what came back is audited in the same commit. */
  raise(caId: string, number: bigint, facts: { readonly published: bigint; readonly taken: number }): Promise<void>;
  /** All CAs, by their ids. */
  authorities(): Promise<readonly string[]>;
  /** CAs whose CRL lacks a revocation or is past half of its life. */
  due(now: Date): Promise<readonly string[]>;
  /** When the next published CRL is past half of its life, and the smallest share of life that any has left (0 to 1). */
  outlook(now: Date): Promise<{ readonly nextDue: Date | undefined; readonly validityLeft: number | undefined }>;
}
