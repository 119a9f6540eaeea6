import { CaError } from '../error.ts';
import { drainedGate, isIdle, type Gate } from './gate.ts';
import type { Loop, LoopName } from './loops.ts';

export type TickOutcome =
  'idle' | 'disabled' | 'not_due' | 'duplicate_tick' | 'stale_tick' | 'lease_held' | 'lease_lost' | 'succeeded' | 'failed';

/** A tick as it arrives: from the schedule with its nominal time, or by hand with the id of the run that was asked for. */
export interface TickEvent {
  readonly scheduledTime?: string | undefined;
  readonly run?: string | undefined;
}

/** What a loop is told when it begins. */
export interface Run {
  readonly id: string;
  /** Milliseconds since the epoch; no new item is begun after it. */
  readonly deadline: number;
  /** Asked for by hand: what was hinted a moment ago is hinted again, for the hint may be lost with what restarted. */
  readonly forced: boolean;
}

/** What a loop did. */
export interface Drain {
  readonly processed: number;
  readonly failed: number;
  /** The earliest row that becomes due later, if any; a loop that stopped at its deadline says now. */
  readonly nextDue: Date | undefined;
}

export interface GateStore {
  /** Notes a heartbeat and the tick's key; returns what the gate was before. */
  tick(loop: LoopName, key: string, now: number): Promise<Gate>;
  /** Unless a drain that began later has written already. */
  drained(loop: LoopName, left: Pick<Gate, 'nextDue' | 'drainedSeq' | 'drainedFrom'>, now: number): Promise<void>;
  outcome(loop: LoopName, outcome: TickOutcome): Promise<void>;
}

export type Begun =
  | { readonly kind: 'started'; readonly runId: string; readonly token: string }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'held' }
  | { readonly kind: 'disabled' };

export interface RunStore {
  /** Run row and lease in one commit. A second row for the same tick is refused, a held lease recorded. */
  begin(tick: { readonly runId: string; readonly loop: LoopName; readonly key: string; readonly leaseSeconds: number }): Promise<Begun>;
  /** The end of a run and of its lease in one commit; false when the lease was another's by then. */
  finish(
    run: { readonly runId: string; readonly loop: LoopName; readonly token: string },
    end: { readonly outcome: 'succeeded' | 'failed'; readonly processed: number; readonly failed: number; readonly error?: string },
  ): Promise<boolean>;
}

export interface TickPorts {
  readonly gates: GateStore;
  readonly runs: RunStore;
  readonly now: () => number;
  readonly newId: (prefix: string) => string;
}

export interface TickResult {
  readonly outcome: TickOutcome;
  readonly processed: number;
  readonly failed: number;
  readonly error?: unknown;
}

const leaseMarginSeconds = 30;
/** A scheduler without context attributes sends this literally. */
const placeholder = '<aws.scheduler.scheduled-time>';

/**
 * One tick of a loop: gate, tick key, lease, work, record. Whatever happens twice, late or beside another copy ends in an outcome that
 * harms nothing; work that fails leaves the gate open, and the next tick is the retry.
 *
 * @param remainingMs what the function has left to live
 * @throws {CaError} `malformed` for an event that names neither a scheduled time nor a run
 */
export async function runTick(
  ports: TickPorts,
  loop: Loop & { readonly name: LoopName },
  event: TickEvent,
  remainingMs: number,
  work: (run: Run) => Promise<Drain>,
): Promise<TickResult> {
  const began = ports.now();
  const { key, scheduled, runId } = identify(loop, event, began, ports.newId);
  if (scheduled !== undefined && began - scheduled > loop.everyMinutes * 60_000) return nothing('stale_tick');
  const gate = await ports.gates.tick(loop.name, key, began);
  if (gate.tick === key) return nothing('duplicate_tick');
  if (!gate.enabled) return ended(ports, loop.name, 'disabled');
  if (scheduled !== undefined) {
    if (isIdle(gate, began)) return nothing('idle');
    if (gate.intervalOverride !== undefined && began < gate.drainedFrom + gate.intervalOverride * 1000) return nothing('not_due');
  }
  const leaseSeconds = loop.timeoutSeconds + leaseMarginSeconds;
  const begun = await ports.runs.begin({ runId, loop: loop.name, key, leaseSeconds });
  if (begun.kind === 'duplicate') return nothing('duplicate_tick');
  if (begun.kind === 'disabled') return ended(ports, loop.name, 'disabled');
  if (begun.kind === 'held') return ended(ports, loop.name, 'lease_held');
  const run = { runId: begun.runId, loop: loop.name, token: begun.token };
  let drain: Drain;
  try {
    drain = await work({
      id: begun.runId,
      deadline: began + Math.max(remainingMs * 0.8, remainingMs - 60_000),
      forced: scheduled === undefined,
    });
  } catch (error) {
    await ports.runs.finish(run, { outcome: 'failed', processed: 0, failed: 0, error: reasonOf(error) }).catch(() => false);
    return { ...(await ended(ports, loop.name, 'failed')), error };
  }
  const { processed, failed } = drain;
  if (!(await ports.runs.finish(run, { outcome: 'succeeded', processed, failed }))) return { outcome: 'lease_lost', processed, failed };
  await ports.gates.drained(loop.name, drainedGate(gate, began, drain.nextDue?.getTime()), ports.now());
  return { outcome: 'succeeded', processed, failed };
}

function identify(
  loop: Loop,
  event: TickEvent,
  now: number,
  newId: (prefix: string) => string,
): { readonly key: string; readonly scheduled: number | undefined; readonly runId: string } {
  if (event.run !== undefined) return { key: `manual:${event.run}`, scheduled: undefined, runId: event.run };
  const interval = loop.everyMinutes * 60_000;
  const scheduled =
    event.scheduledTime === placeholder ? Math.floor(now / interval) * interval : Date.parse(event.scheduledTime ?? 'missing');
  if (!Number.isFinite(scheduled)) throw new CaError('malformed', `the event of ${loop.name} names neither a scheduled time nor a run`);
  return { key: new Date(scheduled).toISOString(), scheduled, runId: newId('run') };
}

function nothing(outcome: TickOutcome): TickResult {
  return { outcome, processed: 0, failed: 0 };
}

async function ended(ports: TickPorts, loop: LoopName, outcome: TickOutcome): Promise<TickResult> {
  await ports.gates.outcome(loop, outcome);
  return nothing(outcome);
}

function reasonOf(error: unknown): string {
  return error instanceof CaError ? `${error.code}: ${error.message}` : error instanceof Error ? error.name : 'unknown';
}
