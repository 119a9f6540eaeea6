import type { Reach } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import type { SelectableProfiles } from '../dynamodb/profile-mirror.ts';
import type { ProfileStore } from '#domain/acme/store.ts';
import type { AutoRenewalRules, Profile } from '#domain/issuance/profile.ts';
import { isDuplicate, type Database, type Session } from './database.ts';
import { slice, within, type Keyset } from './keyset.ts';
import { profileColumns, profileOf, profileStore, type KeptRules, type ProfileRow } from './profiles.ts';

/** Profiles as their operators see them. */
export interface ProfileAdministration extends ProfileStore {
  list(page: PageRequest, filter: { readonly enabled: boolean | undefined; readonly reach: Reach }): Promise<Slice<Profile>>;
  /** @throws {CaError} `conflict` when the id or name is taken, `malformed` when the CA does not exist */
  create(profile: Profile, actor: string): Promise<Profile>;
  /** Undefined when it has another version than expected by now; expected undefined: whatever it has. */
  replace(profile: Profile, expected: number | undefined, actor: string): Promise<Profile | undefined>;
  /** Profiles of the shared directory; the version grows with every change of any profile. */
  selectable(): Promise<SelectableProfiles>;
  /** The mirror has this profile: its outbox rows are done with. */
  mirrored(id: string): Promise<void>;
}

const writable = `name, description, enabled, acme_auth_mode, eab_required, allowed_names, allow_wildcards, allow_single_label, allowed_challenges,
  allowed_cidrs, key_rules, validity_seconds, extended_key_usages, must_staple, max_identifiers, terms_of_service, website, caa_identities, ca_id, selectable,
  authorization_reuse_seconds, requires_approval, requirements, policies, subdomain_auth_allowed, auto_renewal`;
const values =
  '$2, $3, $4, $5, $6, $7, $8, $9, $10, $11::cidr[], $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27';
const trail = (action: string): string => `
  x AS (INSERT INTO outbox (topic, subject_id) SELECT 'profile', id FROM p),
  l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
        SELECT $28, 'APIKey', '${action}', 'profile', id, jsonb_build_object('version', version, 'acme_auth_mode', acme_auth_mode), 'config' FROM p)`;

export const profileList: Keyset = {
  columns: profileColumns,
  from: 'profiles',
  id: 'id',
  idType: 'text',
  sorts: { id: { expression: 'id', type: 'text' }, name: { expression: 'name', type: 'text' } },
};
const create = {
  name: 'profile-create',
  text: `WITH p AS (INSERT INTO profiles (id, ${writable}) VALUES ($1, ${values}) RETURNING *), ${trail('createProfile')} SELECT ${profileColumns} FROM p`,
};
const replace = {
  name: 'profile-replace',
  text: `WITH p AS (
      UPDATE profiles SET (${writable}) = ROW(${values}), version = version + 1, updated_at = now() WHERE id = $1 AND ($29::int IS NULL OR version = $29) RETURNING *),
    ${trail('replaceProfile')} SELECT ${profileColumns} FROM p`,
};
// No profile is ever deleted, so the sum of versions grows with every change.
const selectable = {
  name: 'profiles-selectable',
  text: `SELECT coalesce(sum(version), 0)::int AS version,
           coalesce(jsonb_agg(jsonb_build_object('id', id, 'description', coalesce(nullif(description, ''), name)) ORDER BY id)
                    FILTER (WHERE selectable AND enabled), '[]') AS profiles FROM profiles`,
};
const mirrored = { name: 'profile-mirrored', text: `DELETE FROM outbox WHERE topic = 'profile' AND subject_id = $1` };

/**
 * Replaces a profile of a version, with mirror and audit row in one commit.
 *
 * @param expected undefined: whatever version there is
 * @returns undefined when it has another version by now
 * @throws {CaError} `conflict` when the name is taken, `malformed` when the CA does not exist
 */
export async function replaceProfile(
  session: Session,
  profile: Profile,
  expected: number | undefined,
  actor: string,
): Promise<Profile | undefined> {
  try {
    const [row] = await session.query<ProfileRow>(replace, [...fields(profile), actor, expected ?? null]);
    return row && profileOf(row);
  } catch (error) {
    if (isDuplicate(error)) throw new CaError('conflict', 'a profile with this name exists', { cause: error });
    throw unknownCa(error);
  }
}

export function profileAdministration(database: Database): ProfileAdministration {
  return {
    ...profileStore(database),
    list: (page, { enabled, reach }) =>
      slice(database, profileList, page, [['enabled = ?', enabled], within(reach, { profile: 'id' })], profileOf),
    async create(profile, actor) {
      try {
        const [row] = await database.query<ProfileRow>(create, [...fields(profile), actor]);
        if (row === undefined) throw new Error('no row');
        return profileOf(row);
      } catch (error) {
        if (isDuplicate(error)) throw new CaError('conflict', 'a profile with this id or name exists', { cause: error });
        throw unknownCa(error);
      }
    },
    replace: (profile, expected, actor) => replaceProfile(database, profile, expected, actor),
    async selectable() {
      const [row] = await database.query<SelectableProfiles>(selectable, []);
      return row ?? { version: 0, profiles: [] };
    },
    async mirrored(id) {
      await database.query(mirrored, [id]);
    },
  };
}

function unknownCa(error: unknown): unknown {
  return (error as { code?: string }).code === '23503'
    ? new CaError('malformed', 'the body: ca_id: no such certificate authority', { cause: error })
    : error;
}

function fields(profile: Profile): readonly unknown[] {
  return [
    profile.id,
    profile.name,
    profile.description,
    profile.enabled,
    profile.authMode,
    profile.eabRequired,
    profile.allowedNames ?? null,
    profile.allowWildcards,
    profile.allowSingleLabel,
    profile.allowedChallenges,
    profile.allowedCidrs,
    JSON.stringify(profile.keyRules),
    profile.validitySeconds,
    profile.extendedKeyUsages,
    profile.mustStaple,
    profile.maxIdentifiers,
    profile.termsOfService ?? null,
    profile.website ?? null,
    profile.caaIdentities,
    profile.caId,
    profile.selectable,
    profile.authorizationReuseSeconds,
    profile.requiresApproval,
    profile.requirements,
    profile.policies,
    profile.subdomainAuthAllowed,
    kept(profile.autoRenewal),
  ];
}

function kept(rules: AutoRenewalRules | undefined): string | null {
  if (rules === undefined) return null;
  const { minLifetime, maxDuration, allowCertificateGet } = rules;
  return JSON.stringify({
    min_lifetime: minLifetime,
    max_duration: maxDuration,
    allow_certificate_get: allowCertificateGet,
  } satisfies KeptRules);
}
