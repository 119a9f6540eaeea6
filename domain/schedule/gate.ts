import { nextDailyWindow } from './daily-window.ts';

/** What is known of a loop without opening PostgreSQL. Times are milliseconds since the epoch; 0: never. */
export interface Gate {
  /** Nothing that the last drain saw becomes due earlier. */
  readonly nextDue: number;
  /** Raised by every wake. */
  readonly seq: number;
  /** The `seq` that the last drain read when it began. */
  readonly drainedSeq: number;
  /** Transactions that announced themselves have ended by then, one way or the other. */
  readonly hotUntil: number;
  /** When the last drain began. */
  readonly drainedFrom: number;
  readonly enabled: boolean;
  /** Seconds; slows the loop down. */
  readonly intervalOverride: number | undefined;
  /** The last tick that came, whatever it found. */
  readonly heartbeat: number;
  readonly lastSuccess: number;
  readonly lastOutcome: string;
  /** Key of the last tick. */
  readonly tick: string;
}

/** A gate that nobody has touched: due. */
export const newGate: Gate = {
  nextDue: 0,
  seq: 0,
  drainedSeq: 0,
  hotUntil: 0,
  drainedFrom: 0,
  enabled: true,
  intervalOverride: undefined,
  heartbeat: 0,
  lastSuccess: 0,
  lastOutcome: '',
  tick: '',
};

/** How long a loop stays awake after a wake: longer than any transaction that the wake announced can live. */
export const hotMs = 180_000;
/** The longest that a transaction lasts, from its wake to its end: a request, a job, and the database's own time-outs. */
export const transactionMs = 90_000;

/**
 * Whether a tick may leave without looking: nothing is due, nobody raised `seq` since the last drain began, and that drain began after
 * every announced transaction had ended. The last point keeps a row whose writer died between its commit and its second wake.
 */
export function isIdle(gate: Gate, now: number): boolean {
  return gate.nextDue > now && gate.seq === gate.drainedSeq && gate.hotUntil <= gate.drainedFrom;
}

/** What a drain leaves behind. @param earliest milliseconds since the epoch of the earliest row that is not due yet */
export function drainedGate(gate: Gate, from: number, earliest: number | undefined): Pick<Gate, 'nextDue' | 'drainedSeq' | 'drainedFrom'> {
  // Without anything earlier a loop is due in the day's window, all loops in the same one, so that the database wakes once.
  return { nextDue: Math.min(earliest ?? Number.POSITIVE_INFINITY, nextDailyWindow(from)), drainedSeq: gate.seq, drainedFrom: from };
}

/** When the loop last did what it should: an idle tick is a success that costs nothing. */
export function lastSuccessOf(gate: Gate): number {
  return gate.enabled && isIdle(gate, gate.heartbeat) ? gate.heartbeat : gate.lastSuccess;
}
