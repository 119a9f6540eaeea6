import type { Principal } from '../acme/store.ts';
import type { TbsCertificate } from '../x509/certificate.ts';
import type { ProblemDocument } from '../acme/problem-document.ts';

/** A CA generation whose key we hold. */
export interface CertificateAuthority {
  readonly id: string;
  readonly name: string;
  readonly parentId: string | undefined;
  /** DER */
  readonly certificate: Uint8Array;
  /** DER, from the CA above up to the root, where those are not ours. */
  readonly chainAbove: readonly Uint8Array[];
  readonly sealedKey: Uint8Array;
  /** Undefined: a software key under the envelope. */
  readonly kmsKey: { readonly arn: string; readonly algorithm: string; readonly spki: Uint8Array } | undefined;
}

/** What is about to be signed; written before it is. */
export interface SigningIntent {
  /** One request, one certificate: the order's id. */
  readonly idempotencyKey: string;
  readonly caId: string;
  /** Canonical hex. */
  readonly serial: string;
  /** TBSCertificate, DER. */
  readonly tbs: Uint8Array;
}

/** An intent that was prepared in this process, with what was read of its TBSCertificate. */
export interface PreparedLeaf extends SigningIntent {
  readonly facts: TbsCertificate;
}

export interface IssuedCertificate {
  readonly id: string;
  readonly caId: string;
  readonly serial: string;
  /** DER */
  readonly certificate: Uint8Array;
  readonly commonName: string | undefined;
  readonly sans: readonly { readonly type: string; readonly value: string }[];
  readonly spkiSha256: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** The shard of its CA's CRL that it names; undefined: it names the complete one, or another CA's. */
  readonly crlShard: number | undefined;
}

export interface IssuanceStore {
  authority(id: string): Promise<CertificateAuthority | undefined>;
  /**
   * ready → processing with the CSR, a lease and the signing log's row in one commit; false when the order was not ready any more.
   *
   * @throws {CaError} `unavailable` when the CA signs no leaves any more
   */
  beginFinalize(
    who: Principal,
    orderId: string,
    csr: Uint8Array,
    intent: SigningIntent,
    limits: { profileVersion: number; leaseSeconds: number },
  ): Promise<boolean>;
  /** Certificate, order and signing log in one commit; false when another worker completed or failed the order first. */
  completeFinalize(orderId: string, certificate: IssuedCertificate): Promise<boolean>;
  failOrder(orderId: string, error: ProblemDocument): Promise<void>;
  /** Takes over an order whose lease has ended; undefined when there is nothing to take over. */
  claimProcessing(
    orderId: string,
    leaseSeconds: number,
  ): Promise<{ readonly intent: SigningIntent; readonly attempts: number } | undefined>;
}
