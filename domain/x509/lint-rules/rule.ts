import type { ErrorCode } from '../../error.ts';
import type { TbsCertificate } from '../certificate.ts';
import type { IssuerInfo } from '../leaf.ts';
import type { PublicKeyInfo } from '../public-key.ts';

/** What certificates keep to beyond RFC 5280 and our profile of it. */
export const requirements = ['rfc5280', 'cabf_tls_br'] as const;
export type Requirements = (typeof requirements)[number];

export const lintKinds = ['leaf', 'root', 'intermediate', 'ocspResponder'] as const;
export type LintKind = (typeof lintKinds)[number];

export interface LintContext {
  readonly kind: LintKind;
  /** Required but for a root. */
  readonly issuer?: IssuerInfo;
  readonly maxValiditySeconds?: number;
  /** The subject's key where it was read before; it counts only when it is the one in the certificate. */
  readonly publicKey?: PublicKeyInfo;
  /** Rules beyond RFC 5280 and our profile of it that this certificate keeps to; undefined: none. */
  readonly further?: readonly LintRule[];
  /** Milliseconds since the epoch: when the key will sign. Undefined: when validity begins. */
  readonly signedAt?: number;
}

/** One rule for what is about to be signed. */
export interface LintRule {
  /** Stable; refusals and alarms are keyed by it. */
  readonly id: string;
  /** The clause that it comes from. */
  readonly source: string;
  /** What holds of a certificate that keeps it. */
  readonly says: string;
  readonly kinds: readonly LintKind[];
  /** What a violation is to who asked; undefined: `internal`, for no request should lead there. */
  readonly refusal?: ErrorCode;
  readonly holds: (tbs: TbsCertificate, context: LintContext) => boolean;
}

export const everyKind: readonly LintKind[] = lintKinds;
export const authorities: readonly LintKind[] = ['root', 'intermediate'];
export const issued: readonly LintKind[] = ['leaf', 'intermediate', 'ocspResponder'];
export const endEntities: readonly LintKind[] = ['leaf', 'ocspResponder'];
