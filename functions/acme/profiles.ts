import type { ProfileMirror } from '#adapters/dynamodb/profile-mirror.ts';
import type { Profiles } from '#domain/acme/ports.ts';
import type { ProfileStore } from '#domain/acme/store.ts';
import type { Chance } from '#domain/clock.ts';
import type { Profile } from '#domain/issuance/profile.ts';

const freshMs = 5000;
const maxUnknown = 1000;

/** Whether a part of a path could name a profile; a gateway hands over whatever was sent, decoded. */
export function isProfileId(text: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,62}$/.test(text);
}

/**
 * Profiles as this instance knows them: from the mirror, never from PostgreSQL, for at most five seconds. `refreshed` reads the truth
 * and mends the mirror.
 */
export function knownProfiles(mirror: ProfileMirror, store: ProfileStore, chance: Chance): Profiles {
  const known = new Map<string, { profile: Profile | undefined; until: number }>();
  const remember = (id: string, profile: Profile | undefined): Profile | undefined => {
    if (known.size >= maxUnknown) known.clear();
    known.set(id, { profile, until: chance.now() + freshMs });
    return profile;
  };
  let offered: { readonly profiles: Readonly<Record<string, string>>; readonly until: number } | undefined;
  return {
    async selectable() {
      if (offered === undefined || offered.until <= chance.now()) {
        const profiles = Object.fromEntries((await mirror.readSelectable()).map(({ id, description }) => [id, description]));
        offered = { profiles, until: chance.now() + freshMs };
      }
      return offered.profiles;
    },
    async known(id) {
      const entry = known.get(id);
      if (entry !== undefined && entry.until > chance.now()) return entry.profile;
      if (!isProfileId(id)) return undefined;
      return remember(id, await mirror.read(id));
    },
    async refreshed(id) {
      const profile = await store.profile(id);
      if (profile !== undefined) await mirror.write(profile);
      return remember(id, profile);
    },
  };
}
