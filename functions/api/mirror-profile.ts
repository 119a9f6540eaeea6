import type { ProfileMirror } from '#adapters/dynamodb/profile-mirror.ts';
import type { ProfileAdministration } from '#adapters/postgres/profile-administration.ts';
import type { Profile } from '#domain/issuance/profile.ts';

export interface MirrorPorts {
  readonly store: Pick<ProfileAdministration, 'selectable' | 'mirrored'>;
  readonly mirror: ProfileMirror;
}

/** Copies a changed profile to where directories are read; the outbox row that committed with the change repairs a mirror that misses this. */
export async function mirrorProfile(ports: MirrorPorts, profile: Profile): Promise<void> {
  await Promise.all([ports.mirror.write(profile), ports.store.selectable().then((list) => ports.mirror.writeSelectable(list))]).then(
    () => ports.store.mirrored(profile.id),
    () => undefined,
  );
}
