import { permissions, type Permission } from './permission.ts';

/** The seven roles that every installation has; nobody changes them. */
export const roleIds = ['r-admin', 'r-operator', 'r-viewer', 'r-agent', 'r-mcp', 'r-cli', 'r-auditor'] as const;
export type RoleId = (typeof roleIds)[number];

export interface Role {
  readonly id: RoleId;
  readonly summary: string;
  readonly holds: ReadonlySet<Permission>;
}

const seen: readonly Permission[] = [
  'cert.read',
  'profile.read',
  'issuer.read',
  'ca.hierarchy.read',
  'acme.eab.read',
  'agent.read',
  'target.read',
  'discovery.read',
  'acme.account.read',
  'approval.read',
  'policy.read',
  'team.read',
  'owner.read',
  'stats.read',
  'job.read',
  'notification.read',
  'scheduler.read',
  'audit.read',
];
const operated: readonly Permission[] = [
  ...seen,
  'cert.issue',
  'cert.deploy',
  'cert.edit',
  'cert.revoke',
  'cert.delete',
  'profile.edit',
  'issuer.edit',
  'acme.eab.edit',
  'agent.edit',
  'target.edit',
  'discovery.claim',
  'acme.account.edit',
  'approval.approve',
  'approval.reject',
  'policy.edit',
  'policy.delete',
  'team.edit',
  'team.delete',
  'owner.edit',
  'owner.delete',
  'job.cancel',
  'notification.edit',
  'scheduler.edit',
  'scheduler.run',
];

/** What people do themselves: what cannot be undone, and what is asked of a second person. */
const mcpLacks: ReadonlySet<Permission> = new Set<Permission>([
  'cert.delete',
  'policy.edit',
  'policy.delete',
  'team.edit',
  'team.delete',
  'owner.edit',
  'owner.delete',
  'approval.approve',
  'approval.reject',
  'scheduler.edit',
]);

const holds: Readonly<Record<RoleId, readonly [summary: string, permissions: readonly Permission[]]>> = {
  'r-admin': ['everything', permissions],
  'r-operator': ['runs certificates, profiles, issuers, jobs and loops; grants nothing', operated],
  'r-viewer': ['sees what there is', seen],
  'r-agent': ['what a host needs: its certificates', ['cert.read']],
  'r-mcp': ['an operator that deletes and decides nothing, and stops no loop', operated.filter((name) => !mcpLacks.has(name))],
  'r-cli': ['an operator that also makes and rotates keys', [...operated, 'auth.key.list', 'auth.key.create', 'auth.key.rotate']],
  // Who checks the operators must not be one of them.
  'r-auditor': ['audit events and nothing else', ['audit.read', 'audit.export']],
};

export const roles: readonly Role[] = roleIds.map((id) => ({ id, summary: holds[id][0], holds: new Set(holds[id][1]) }));

/** What a role holds; a name that no release knows holds nothing. */
export function holdingsOf(role: string): ReadonlySet<Permission> {
  return roles.find(({ id }) => id === role)?.holds ?? new Set();
}
