/** What may be granted, and what it lets its holder do. Names are never reshaped: rows of the database hold them. */
export const permissionTexts = {
  'cert.read': 'see managed certificates and their versions',
  'cert.issue': 'have certificates issued and renewed, and hand in CSRs',
  'cert.delete': 'archive managed certificates',
  'profile.read': 'see certificate profiles',
  'profile.edit': 'make and replace certificate profiles',
  'issuer.read': 'see issuers',
  'issuer.edit': 'add issuers and switch them on and off',
  'ca.hierarchy.read': 'see certificate authorities and their cross-certificates',
  'ca.hierarchy.manage': 'make, retire and revoke certificate authorities, bring their keys and cross-certificates',
  'acme.eab.read': 'see external account binding keys',
  'acme.eab.edit': 'make, disable and enable external account binding keys',
  'job.read': 'see jobs',
  'job.cancel': 'cancel jobs',
  'notification.read': 'see channels and notifications',
  'notification.edit': 'make and switch channels, requeue notifications',
  'scheduler.read': 'see the background loops and their runs',
  'scheduler.edit': 'stop loops, let them go on, slow them down',
  'scheduler.run': 'run a loop now',
  'audit.read': 'see audit events and whether their chain is whole',
  'audit.export': 'export audit events',
  'auth.key.list': 'see API keys, without their secrets',
  'auth.key.create': 'make API keys that may do no more than their maker',
  'auth.key.rotate': 'give an API key a new secret',
  'auth.key.delete': 'end an API key',
  'auth.role.list': 'see roles and what they hold',
  'auth.role.assign': 'grant roles, none that reaches further than the granter',
  'auth.role.revoke': 'take grants back',
} as const satisfies Readonly<Record<string, string>>;

export type Permission = keyof typeof permissionTexts;
export const permissions = Object.keys(permissionTexts) as readonly Permission[];
