import type { ExtendedKeyUsage } from '#domain/x509/leaf.ts';
import type { AuthMode, AutoRenewalRules, ChallengeType, KeyRule, Profile } from '#domain/issuance/profile.ts';
import type { Requirements } from '#domain/x509/lint-rules/rule.ts';
import type { ProfileStore } from '#domain/acme/store.ts';
import type { Session } from './database.ts';

/** As the column has them. */
export interface KeptRules {
  readonly min_lifetime: number;
  readonly max_duration: number;
  readonly allow_certificate_get: boolean;
}

export interface ProfileRow {
  id: string;
  name: string;
  description: string;
  enabled: boolean;
  acme_auth_mode: AuthMode;
  eab_required: boolean;
  allowed_names: string[] | null;
  allow_wildcards: boolean;
  allow_single_label: boolean;
  allowed_challenges: ChallengeType[];
  allowed_cidrs: string[];
  key_rules: KeyRule[];
  validity_seconds: number;
  extended_key_usages: ExtendedKeyUsage[];
  must_staple: boolean;
  max_identifiers: number;
  terms_of_service: string | null;
  website: string | null;
  caa_identities: string[];
  selectable: boolean;
  authorization_reuse_seconds: number;
  subdomain_auth_allowed: boolean;
  auto_renewal: KeptRules | null;
  ca_id: string;
  requires_approval: boolean;
  requirements: Requirements;
  policies: string[];
  version: number;
}

// cidr has no array parser in the driver: text has.
export const profileColumns = `id, name, description, enabled, acme_auth_mode, eab_required, allowed_names, allow_wildcards, allow_single_label,
  allowed_challenges, allowed_cidrs::text[] AS allowed_cidrs, key_rules, validity_seconds, extended_key_usages, must_staple, max_identifiers,
  terms_of_service, website, caa_identities, selectable, authorization_reuse_seconds, ca_id, requires_approval, requirements, policies,
  subdomain_auth_allowed, auto_renewal, version`;

const byId = { name: 'profile', text: `SELECT ${profileColumns} FROM profiles WHERE id = $1` };

export function profileStore(session: Session): ProfileStore {
  return {
    async profile(id) {
      const [row] = await session.query<ProfileRow>(byId, [id]);
      return row && profileOf(row);
    },
  };
}

export function profileOf(row: ProfileRow): Profile {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    enabled: row.enabled,
    authMode: row.acme_auth_mode,
    eabRequired: row.eab_required,
    allowedNames: row.allowed_names ?? undefined,
    allowWildcards: row.allow_wildcards,
    allowSingleLabel: row.allow_single_label,
    allowedChallenges: row.allowed_challenges,
    allowedCidrs: row.allowed_cidrs,
    keyRules: row.key_rules,
    validitySeconds: row.validity_seconds,
    extendedKeyUsages: row.extended_key_usages,
    mustStaple: row.must_staple,
    maxIdentifiers: row.max_identifiers,
    termsOfService: row.terms_of_service ?? undefined,
    website: row.website ?? undefined,
    caaIdentities: row.caa_identities,
    selectable: row.selectable,
    authorizationReuseSeconds: row.authorization_reuse_seconds,
    subdomainAuthAllowed: row.subdomain_auth_allowed,
    autoRenewal: row.auto_renewal === null ? undefined : rulesOf(row.auto_renewal),
    caId: row.ca_id,
    requiresApproval: row.requires_approval,
    requirements: row.requirements,
    policies: row.policies,
    version: row.version,
  };
}

function rulesOf(kept: KeptRules): AutoRenewalRules {
  return { minLifetime: kept.min_lifetime, maxDuration: kept.max_duration, allowCertificateGet: kept.allow_certificate_get };
}
