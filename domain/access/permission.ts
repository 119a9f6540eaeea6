/** What a caller of the control plane may be allowed to do. */
export const permissions = [
  'profile.read',
  'profile.edit',
  'ca.read',
  'ca.edit',
  'acme.eab.read',
  'acme.eab.edit',
  'certificate.read',
  'certificate.edit',
  'issuer.read',
  'issuer.edit',
  'job.read',
  'job.edit',
  'notification.read',
  'notification.edit',
  'scheduler.read',
  'scheduler.edit',
  'scheduler.run',
] as const;
export type Permission = (typeof permissions)[number];

/** Who calls: authenticated by the key whose id it has. */
export interface Caller {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
}

export type Role = 'admin';

const grants: Readonly<Record<Role, readonly Permission[]>> = { admin: permissions };

/** The one place that decides; no route asks anything else. */
export function isAllowed(caller: Caller, permission: Permission): boolean {
  return grants[caller.role].includes(permission);
}
