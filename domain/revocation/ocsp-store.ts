import type { CertId } from './ocsp-request.ts';

/** A certificate's revocation as OCSP tells it; undefined: the CA never issued it. */
export type KnownStatus = { readonly revokedAt: Date; readonly reason: number } | 'good' | undefined;

/** A response that was signed before and may be given again (RFC 5019 §4). */
export interface PreparedResponse {
  /** OCSPResponse, DER. */
  readonly response: Uint8Array;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
}

/** Whose response it is: another responder's is never given again. */
export interface PreparedKey {
  readonly caId: string;
  readonly certId: CertId;
  readonly responderId: string;
}

export interface OcspResponseStore {
  /**
   * A certificate's status of this moment and, where one was signed for that very status and is not past half of its life, a response.
   * `mark` names the status to `keep`.
   */
  find(
    key: PreparedKey,
    now: Date,
  ): Promise<{ readonly status: KnownStatus; readonly mark: string; readonly prepared: PreparedResponse | undefined }>;
  /** Keeps a response for a certificate that has not expired; of two, the later one. At most one for each CertID of a certificate. */
  keep(key: PreparedKey, mark: string, prepared: PreparedResponse): Promise<void>;
  /** Removes up to `limit` that are no longer valid. @returns how many */
  prune(now: Date, limit: number): Promise<number>;
}
