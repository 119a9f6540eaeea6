/** An operator's word about a loop. */
export interface LoopSetting {
  readonly enabled: boolean;
  /** Seconds; undefined: as often as the schedule says. */
  readonly intervalOverride: number | undefined;
  /** Raised by every change. */
  readonly version: number;
}
