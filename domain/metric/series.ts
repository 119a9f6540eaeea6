/** Units of the embedded metric format. */
export type Unit = 'Count' | 'None' | 'Milliseconds';

/** Where CloudWatch keeps every series of ours, and the dimension that all of them have. */
export const namespace = 'certctl';
export const commonDimensions = { service: 'certctl' } as const;

/** The series of the default setting, one each and without a dimension that multiplies them: each costs money every month. */
export const series = {
  /** How long ago the loop that is worst off succeeded, in its own intervals. */
  WorstLoopAge: 'None',
  /** How long the oldest notification that is due has waited. */
  OutboxAgeSeconds: 'None',
  /** How long the oldest job that is due has waited. */
  PendingJobAgeSeconds: 'None',
  /** The least part of its life that a CRL has left, 0 to 1. */
  CrlValidityLeft: 'None',
  /** Work that somebody else had taken over when it ended. */
  LeaseLost: 'Count',
  /** Items that ticks of loops could not do. */
  ItemsFailed: 'Count',
  /** Walks of the audit chain that found it broken. */
  AuditBreak: 'Count',
  /** Requests that a rate limit let through without having counted them. */
  LimiterFailOpen: 'Count',
  /** Migrations of the release that are not applied. */
  MigrationsPending: 'None',
} as const satisfies Readonly<Record<string, Unit>>;

/** What the setting `full` adds for each loop. */
export const loopSeries = {
  TickStarted: 'Count',
  TickSucceeded: 'Count',
  TickFailed: 'Count',
  /** With the reason as a dimension. */
  TickSkipped: 'Count',
  TickDurationMs: 'Milliseconds',
  ItemsProcessed: 'Count',
  ItemsFailedOfLoop: 'Count',
  LeaseLostOfLoop: 'Count',
  /** In intervals of the loop, measured by the monitor. */
  LastSuccessAge: 'None',
} as const satisfies Readonly<Record<string, Unit>>;

export type Series = keyof typeof series;
export type LoopSeries = keyof typeof loopSeries;
