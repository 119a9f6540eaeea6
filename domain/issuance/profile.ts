import { mlDsaKinds } from '../x509/key-algorithm.ts';
import type { ExtendedKeyUsage } from '../x509/leaf.ts';
import type { Requirements } from '../x509/lint-rules/rule.ts';

/** What may be issued, to whom, and on what proof. */
export interface Profile {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly enabled: boolean;
  readonly authMode: AuthMode;
  readonly eabRequired: boolean;
  /** Undefined: any name. */
  readonly allowedNames: readonly string[] | undefined;
  readonly allowWildcards: boolean;
  readonly allowSingleLabel: boolean;
  readonly allowedChallenges: readonly ChallengeType[];
  readonly allowedCidrs: readonly string[];
  readonly keyRules: readonly KeyRule[];
  readonly validitySeconds: number;
  readonly extendedKeyUsages: readonly ExtendedKeyUsage[];
  readonly mustStaple: boolean;
  readonly maxIdentifiers: number;
  readonly termsOfService: string | undefined;
  readonly website: string | undefined;
  /** Issuer domain names that CAA records may list (RFC 8659); empty: CAA is not asked. */
  readonly caaIdentities: readonly string[];
  /** The shared directory offers it to accounts of the default profile. */
  readonly selectable: boolean;
  /** Seconds that a proof of a name serves further orders of its account; 0: none. */
  readonly authorizationReuseSeconds: number;
  /** A proof of a domain may serve names below it (RFC 9444). */
  readonly subdomainAuthAllowed: boolean;
  /** Undefined: no order renews its certificate by itself. */
  readonly autoRenewal: AutoRenewalRules | undefined;
  readonly caId: string;
  /** A second person must say yes to each certificate, and to each change of the profile. */
  readonly requiresApproval: boolean;
  /** What its certificates keep to beyond RFC 5280: of the public web's rules none, or the CA/Browser Forum's for TLS. */
  readonly requirements: Requirements;
  /** Policies that its certificates assert, dotted (RFC 5280 §4.2.1.4). */
  readonly policies: readonly string[];
  /** Raised by every change; a write that relied on an older version is refused. */
  readonly version: number;
}

/** A profile that was kept as JSON, perhaps before the fields existed that came last. */
export function keptProfile(kept: unknown): Profile {
  const known = kept as Omit<Profile, 'requirements' | 'policies' | 'subdomainAuthAllowed' | 'autoRenewal'> & Partial<Profile>;
  return {
    ...known,
    requirements: known.requirements ?? 'rfc5280',
    policies: known.policies ?? [],
    subdomainAuthAllowed: known.subdomainAuthAllowed ?? false,
    autoRenewal: known.autoRenewal,
  };
}

/** What orders may ask for that renew their certificates by themselves (RFC 8739 §3.2). */
export interface AutoRenewalRules {
  /** Seconds that a lifetime must have. */
  readonly minLifetime: number;
  /** Seconds from the start to the end of an order, at most. */
  readonly maxDuration: number;
  /** The certificate may be read without an account's signature, by whoever knows its URL. */
  readonly allowCertificateGet: boolean;
}

export type AuthMode = 'challenge' | 'trust_authenticated';

export const challengeTypes = ['http-01', 'dns-01', 'tls-alpn-01', 'dns-account-01', 'dns-persist-01'] as const;
/** What a profile allows that does not say; the others are drafts. */
export const usualChallengeTypes = ['http-01', 'dns-01', 'tls-alpn-01'] as const satisfies readonly ChallengeType[];
export type ChallengeType = (typeof challengeTypes)[number];

/** Kinds of keys that a profile may allow to subscribers. */
export const keyKinds = ['RSA', 'ECDSA', 'Ed25519', ...mlDsaKinds] as const;

/** A kind of key and its smallest size in bits, which says nothing of ML-DSA: there the kind is the size. */
export interface KeyRule {
  readonly algorithm: (typeof keyKinds)[number];
  readonly min_size: number;
}
