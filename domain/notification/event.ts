/** What people may hear of; a channel subscribes to some. */
export const notificationEvents = [
  'certificate.issued',
  'certificate.renewed',
  'certificate.expiring',
  'certificate.expired',
  'certificate.revoked',
  'certificate.urgent',
  'authority.expiring',
  'job.failed',
  'agent.offline',
  'target.drifted',
] as const;
export type NotificationEvent = (typeof notificationEvents)[number];
