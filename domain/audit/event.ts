/** What kind of thing happened. */
export const auditCategories = ['cert_lifecycle', 'auth', 'config'] as const;
export type AuditCategory = (typeof auditCategories)[number];

/** An audit event as it was committed. */
export interface AuditEvent {
  /** Decimal. */
  readonly id: string;
  /** RFC 3339, UTC, microseconds. */
  readonly at: string;
  readonly actor: string;
  readonly actorType: string;
  readonly action: string;
  readonly resourceType: string;
  readonly resourceId: string;
  readonly details: object;
  readonly category: AuditCategory;
}
