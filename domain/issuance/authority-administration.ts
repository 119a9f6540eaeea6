import type { AuthorityName } from '../x509/name.ts';
import type { SigningIntent } from './store.ts';
import type { AuthorityState } from './authority-lifecycle.ts';

/** A CA as its administrators see it. */
export interface AuthorityRecord {
  readonly id: string;
  readonly issuerId: string | undefined;
  readonly parentId: string | undefined;
  readonly name: string;
  readonly subject: Partial<AuthorityName>;
  readonly state: AuthorityState;
  readonly algorithm: string;
  /** DER; undefined while it is `created`. */
  readonly certificate: Uint8Array | undefined;
  /** PKCS#10, DER; of a CA that is `created` only. */
  readonly csr: Uint8Array | undefined;
  /** DER, from the CA above up to the root, where those are not ours. */
  readonly chainAbove: readonly Uint8Array[];
  readonly keyId: string | undefined;
  readonly notBefore: Date | undefined;
  readonly notAfter: Date | undefined;
  readonly pathLength: number | undefined;
  /** As {@link subtreeText} writes them. */
  readonly nameConstraints: { readonly permitted: readonly string[]; readonly excluded: readonly string[] };
  /** How many shards new certificates are spread over; 1: all name the complete CRL. */
  readonly crlShards: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly signsLeaves: boolean;
  readonly drainUntil: Date | undefined;
  readonly retireNote: string | undefined;
  readonly retiredAt: Date | undefined;
  readonly revokedAt: Date | undefined;
  readonly revocationReason: number | undefined;
  /** Raised by every change. */
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What a new CA's row says. */
export interface NewAuthority extends Pick<
  AuthorityRecord,
  | 'id'
  | 'parentId'
  | 'name'
  | 'subject'
  | 'algorithm'
  | 'chainAbove'
  | 'keyId'
  | 'pathLength'
  | 'nameConstraints'
  | 'crlShards'
  | 'metadata'
> {
  readonly issuerId: string;
  readonly certificate: Uint8Array;
  /** Canonical hex. */
  readonly serial: string;
  readonly sealedKey: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** What may change of a CA; undefined stays as it is. */
export interface AuthorityChange {
  readonly name: string | undefined;
  readonly metadata: Readonly<Record<string, string>> | undefined;
  readonly crlShards: number | undefined;
}

/** A CA that waits for its certificate. */
export interface NewRequest extends Pick<AuthorityRecord, 'id' | 'name' | 'subject' | 'algorithm' | 'crlShards' | 'metadata'> {
  readonly issuerId: string;
  readonly csr: Uint8Array;
  readonly spkiSha256: Uint8Array;
  readonly sealedKey: Uint8Array;
}

export interface Retirement {
  readonly confirm: boolean;
  readonly note: string | undefined;
  readonly drainUntil: Date | undefined;
  /** Whether a CA that drains refuses leaves as well as CAs. */
  readonly stopLeaves: boolean;
}

/** Every change writes its audit row in its own commit; whoever changes a CA holds its row's lock. */
export interface AuthorityAdministration {
  /** Undefined: there is no such issuer. */
  issuerType(issuerId: string): Promise<string | undefined>;
  list(issuerId: string): Promise<readonly AuthorityRecord[]>;
  find(id: string): Promise<AuthorityRecord | undefined>;
  children(id: string): Promise<readonly AuthorityRecord[]>;
  /** Reserves the serial under a parent that is active, before its key signs. @throws {CaError} `conflict` */
  reserve(intent: SigningIntent): Promise<void>;
  /** @throws {CaError} `conflict` when the parent is not active any more or the name exists */
  create(authority: NewAuthority, kind: 'root' | 'child', actor: string): Promise<AuthorityRecord>;
  /** @throws {CaError} `conflict` */
  request(request: NewRequest, actor: string): Promise<AuthorityRecord>;
  requestedKey(id: string): Promise<Uint8Array | undefined>;
  /** The row that waited becomes a CA. @throws {CaError} `conflict` */
  certify(authority: NewAuthority, actor: string): Promise<AuthorityRecord>;
  /**
   * @param expected the version that was seen; undefined: whichever there is
   * @throws {CaError} `notFound`, `preconditionFailed`, `conflict` when the name exists or the shards would get fewer
   */
  update(id: string, change: AuthorityChange, expected: number | undefined, actor: string): Promise<AuthorityRecord>;
  /** @throws {CaError} `notFound`, `conflict` */
  retire(id: string, retirement: Retirement, actor: string): Promise<AuthorityRecord>;
  /** @throws {CaError} `notFound`, `conflict` */
  reactivate(id: string, actor: string): Promise<AuthorityRecord>;
  /** The parent's next CRL lists it, and no CA below it signs any more. @throws {CaError} `notFound`, `conflict`, `policyViolation` for a root */
  revoke(id: string, reason: number, jobId: string, actor: string): Promise<AuthorityRecord>;
  /** @param caId undefined: the profile names the CA @throws {CaError} `notFound`, `conflict` */
  chooseIssuing(issuerId: string, caId: string | undefined, actor: string): Promise<void>;
}
