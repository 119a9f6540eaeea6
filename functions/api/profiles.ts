import type * as z from 'zod';
import { createProfile, getProfile, listProfiles, replaceProfile, type createProfileBody, type ProfileBody } from '#contract/profiles.ts';
import type { ProfileMirror } from '#adapters/dynamodb/profile-mirror.ts';
import type { ProfileAdministration } from '#adapters/postgres/profile-administration.ts';
import { reaches, type Reach } from '#domain/access/grant.ts';
import { acmeUrls } from '#domain/acme/urls.ts';
import { CaError } from '#domain/error.ts';
import type { AutoRenewalRules, Profile } from '#domain/issuance/profile.ts';
import { baselineValidityDays } from '#domain/x509/baseline-validity.ts';
import { reservedPolicies } from '#domain/x509/lint-rules/baseline.ts';
import { Oid } from '#domain/x509/oids.ts';
import type { Wake } from '../shared/wake.ts';
import { mirrorProfile } from './mirror-profile.ts';
import { serve, serveList, type Served } from './router.ts';
import { stale } from './stale.ts';

export interface ProfilePorts {
  readonly store: ProfileAdministration;
  readonly mirror: ProfileMirror;
  readonly publicBaseUrl: string;
  readonly wake: Wake;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Asks a second person for a change of a profile of a version. @returns the id of the approval */
  readonly askApproval: (proposed: Profile, baseVersion: number, actor: string) => Promise<string>;
}

/** The operations of `contract/profiles.ts`. */
export function profileOperations(ports: ProfilePorts): readonly Served[] {
  const show = (profile: Profile): ProfileBody => body(profile, ports.publicBaseUrl);
  const mirrored = async (profile: Profile): Promise<ProfileBody> => {
    await mirrorProfile(ports, profile);
    return show(profile);
  };
  return [
    serveList(
      listProfiles,
      ({ query: { enabled }, page, reach }) =>
        ports.store.list(page, { enabled: enabled === undefined ? undefined : enabled === 'true', reach }),
      show,
    ),
    serve(getProfile, async ({ params, reach }) => {
      assertReached(reach, params.id);
      return show(await existing(ports.store, params.id));
    }),
    serve(createProfile, async ({ body, caller }) => {
      assertTrustAcknowledged(body);
      assertSelectable(body);
      assertPersistentHasIssuers(body);
      assertRenewable(body);
      assertBaseline(body, ports.now());
      return mirrored(await ports.store.create(profileOf(body.id, body, 1), caller?.id ?? ''));
    }),
    serve(replaceProfile, async ({ params, body, caller, reach, expected }) => {
      assertReached(reach, params.id);
      assertTrustAcknowledged(body);
      assertSelectable(body);
      assertPersistentHasIssuers(body);
      assertRenewable(body);
      assertBaseline(body, ports.now());
      const proposed = profileOf(params.id, body, 0);
      const live = await existing(ports.store, params.id);
      if (expected !== undefined && expected !== live.version) return stale('profile', live);
      if (live.requiresApproval || proposed.requiresApproval) {
        const asked = await ports.askApproval(proposed, live.version, caller?.id ?? '');
        return { status: 202, answer: { status: 'pending_approval' as const, approval: asked } };
      }
      // Another CA may help those whose CA fell.
      if (live.caId !== proposed.caId) await ports.wake('renewalCheck');
      // Whoever switches approvals on meanwhile has raised the version.
      const replaced = await ports.store.replace(proposed, live.version, caller?.id ?? '');
      if (replaced !== undefined) return mirrored(replaced);
      return stale('profile', await ports.store.profile(params.id));
    }),
  ];
}

function assertReached(reach: Reach, id: string): void {
  if (!reaches(reach, { profile: id })) throw new CaError('notFound', 'no such profile');
}

async function existing(store: ProfileAdministration, id: string): Promise<Profile> {
  const profile = await store.profile(id);
  if (profile === undefined) throw new CaError('notFound', 'no such profile');
  return profile;
}

type Writable = Omit<z.output<typeof createProfileBody>, 'id'>;

function assertTrustAcknowledged(body: Writable): void {
  if (body.acme_auth_mode !== 'trust_authenticated') return;
  if (!body.eab_required && (body.allowed_names ?? []).length === 0) {
    throw new CaError(
      'policyViolation',
      'trust_authenticated needs eab_required or allowed_names: an account key alone proves nothing about a name',
    );
  }
  if (body.acknowledge_trust !== true) {
    throw new CaError(
      'policyViolation',
      'trust_authenticated issues without proof of control; say acknowledge_trust: true if that is meant',
    );
  }
}

function assertSelectable(body: Writable): void {
  if (body.selectable && body.eab_required)
    throw new CaError('policyViolation', 'a profile that requires an external account cannot be selectable: its accounts register with it');
}

/** Records of dns-persist-01 name the CA, so it must have a name. */
function assertPersistentHasIssuers(body: Writable): void {
  if (body.allowed_challenges.includes('dns-persist-01') && (body.caa_identities.length === 0 || body.caa_identities.length > 10))
    throw new CaError('policyViolation', 'dns-persist-01 needs one to ten caa_identities: the names that records have for the CA');
}

const shortLivedSeconds = 10 * 86_400;

/** What renews itself cannot be revoked by who ordered it, so it must end soon; and nobody asks people for each renewal. */
function assertRenewable(body: Writable): void {
  const rules = body.auto_renewal;
  if (rules === null) return;
  const faults: readonly (readonly [boolean, string])[] = [
    [body.validity_seconds <= shortLivedSeconds, `validity_seconds of at most ${shortLivedSeconds}`],
    [rules.min_lifetime * 1.5 <= body.validity_seconds, 'validity_seconds of at least one and a half times min_lifetime'],
    [rules.min_lifetime <= rules.max_duration, 'a max_duration of at least min_lifetime'],
    [!body.requires_approval, 'requires_approval false'],
  ];
  const wanted = faults.flatMap(([holds, want]) => (holds ? [] : [want]));
  if (wanted.length > 0) throw new CaError('policyViolation', `auto_renewal needs ${wanted.join('; ')}`);
}

/** What the public web's rules would refuse in every certificate is refused in the profile. */
function assertBaseline(body: Writable, now: number): void {
  if (body.requirements !== 'cabf_tls_br') return;
  const days = baselineValidityDays(now);
  const faults: readonly (readonly [boolean, string])[] = [
    [body.validity_seconds <= days * 86_400, `validity_seconds of at most ${days} days`],
    [body.extended_key_usages.includes('serverAuth'), 'serverAuth among extended_key_usages'],
    [body.extended_key_usages.every((usage) => usage === 'serverAuth' || usage === 'clientAuth'), 'no usages but serverAuth and clientAuth'],
    [body.key_rules.every(({ algorithm }) => algorithm === 'RSA' || algorithm === 'ECDSA'), 'key_rules of RSA and ECDSA alone'],
    [body.policies.filter((policy) => reservedPolicies.has(policy)).join() === Oid.domainValidated, `policies with ${Oid.domainValidated} and no other of the reserved ones`],
    [body.acme_auth_mode === 'challenge', 'acme_auth_mode challenge'],
    [!body.allow_single_label, 'allow_single_label false'],
    [body.auto_renewal === null || body.validity_seconds <= 2 * 86_400, 'validity_seconds of at most two days beside auto_renewal'],
  ]; // prettier-ignore
  const wanted = faults.flatMap(([holds, want]) => (holds ? [] : [want]));
  if (wanted.length > 0) throw new CaError('policyViolation', `requirements cabf_tls_br need ${wanted.join('; ')}`);
}

function profileOf(id: string, body: Writable, version: number): Profile {
  return {
    id,
    name: body.name,
    description: body.description,
    enabled: body.enabled,
    authMode: body.acme_auth_mode,
    eabRequired: body.eab_required,
    allowedNames: body.allowed_names ?? undefined,
    allowWildcards: body.allow_wildcards,
    allowSingleLabel: body.allow_single_label,
    allowedChallenges: body.allowed_challenges,
    allowedCidrs: body.allowed_cidrs,
    keyRules: body.key_rules,
    validitySeconds: body.validity_seconds,
    extendedKeyUsages: body.extended_key_usages,
    mustStaple: body.must_staple,
    maxIdentifiers: body.max_identifiers,
    termsOfService: body.terms_of_service ?? undefined,
    website: body.website ?? undefined,
    caaIdentities: body.caa_identities,
    selectable: body.selectable,
    authorizationReuseSeconds: body.authorization_reuse_seconds,
    subdomainAuthAllowed: body.subdomain_auth_allowed,
    autoRenewal: rulesOf(body.auto_renewal),
    caId: body.ca_id,
    requiresApproval: body.requires_approval,
    requirements: body.requirements,
    policies: body.policies,
    version,
  };
}

function body(profile: Profile, publicBaseUrl: string): ProfileBody {
  return { ...fieldsOf(profile), version: profile.version, acme_directory: acmeUrls(publicBaseUrl, profile.id).directory };
}

/** A profile as the contract writes it, without what only a live one has. */
export function fieldsOf(profile: Profile): Omit<ProfileBody, 'version' | 'acme_directory'> {
  return {
    id: profile.id,
    name: profile.name,
    description: profile.description,
    enabled: profile.enabled,
    acme_auth_mode: profile.authMode,
    eab_required: profile.eabRequired,
    allowed_names: profile.allowedNames === undefined ? null : [...profile.allowedNames],
    allow_wildcards: profile.allowWildcards,
    allow_single_label: profile.allowSingleLabel,
    allowed_challenges: [...profile.allowedChallenges],
    allowed_cidrs: [...profile.allowedCidrs],
    key_rules: [...profile.keyRules],
    validity_seconds: profile.validitySeconds,
    extended_key_usages: [...profile.extendedKeyUsages],
    must_staple: profile.mustStaple,
    max_identifiers: profile.maxIdentifiers,
    terms_of_service: profile.termsOfService ?? null,
    website: profile.website ?? null,
    caa_identities: [...profile.caaIdentities],
    selectable: profile.selectable,
    authorization_reuse_seconds: profile.authorizationReuseSeconds,
    subdomain_auth_allowed: profile.subdomainAuthAllowed,
    auto_renewal: profile.autoRenewal === undefined ? null : writtenRules(profile.autoRenewal),
    ca_id: profile.caId,
    requires_approval: profile.requiresApproval,
    requirements: profile.requirements,
    policies: [...profile.policies],
  };
}

function rulesOf(rules: Writable['auto_renewal']): AutoRenewalRules | undefined {
  if (rules === null) return undefined;
  return { minLifetime: rules.min_lifetime, maxDuration: rules.max_duration, allowCertificateGet: rules.allow_certificate_get };
}

function writtenRules({ minLifetime, maxDuration, allowCertificateGet }: AutoRenewalRules): NonNullable<ProfileBody['auto_renewal']> {
  return { min_lifetime: minLifetime, max_duration: maxDuration, allow_certificate_get: allowCertificateGet };
}
