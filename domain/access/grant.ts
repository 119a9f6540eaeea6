import type { Permission } from './permission.ts';
import { holdingsOf } from './role.ts';

/** Where a grant holds: everywhere, or for what belongs to one profile or one issuer. */
export interface Scope {
  readonly type: 'global' | 'profile' | 'issuer';
  /** Null where the type is global. */
  readonly id: string | null;
}

export interface Grant extends Scope {
  readonly role: string;
}

/** Who calls: authenticated by the key whose id it has. */
export interface Caller {
  readonly id: string;
  readonly name: string;
  /** Those that have not expired. */
  readonly grants: readonly Grant[];
}

/** How far a permission reaches: all rows, or those of some profiles or issuers. */
export type Reach = 'all' | { readonly profiles: readonly string[]; readonly issuers: readonly string[] };

/** How far a caller's permission reaches; undefined when the caller does not have it at all. */
export function reachOf(caller: Caller, permission: Permission): Reach | undefined {
  const holds = ({ role }: Grant): boolean => holdingsOf(role).has(permission);
  if (caller.grants.some((grant) => grant.type === 'global' && holds(grant))) return 'all';
  const having = caller.grants.filter(holds);
  if (having.length === 0) return undefined;
  const ids = (type: Scope['type']): string[] => having.flatMap((grant) => (grant.type === type && grant.id !== null ? [grant.id] : []));
  return { profiles: ids('profile'), issuers: ids('issuer') };
}

/** Whether something of a profile and an issuer lies within a reach. */
export function reaches(reach: Reach, belongs: { readonly profile?: string; readonly issuer?: string }): boolean {
  if (reach === 'all') return true;
  const { profile, issuer } = belongs;
  return (profile !== undefined && reach.profiles.includes(profile)) || (issuer !== undefined && reach.issuers.includes(issuer));
}

/**
 * Whether a caller may hand out a grant: each permission of the role must reach as far for the caller as it shall for the other, so that
 * nobody makes more rights than there were.
 */
export function mayGrant(caller: Caller, grant: Grant): boolean {
  const wanted = [...holdingsOf(grant.role)];
  return (
    wanted.length > 0 &&
    wanted.every((permission) => {
      const reach = reachOf(caller, permission);
      if (reach === undefined) return false;
      if (grant.type === 'global' || grant.id === null) return reach === 'all';
      return reaches(reach, { [grant.type]: grant.id });
    })
  );
}
