import type { Context } from 'aws-lambda';
import * as z from 'zod';
import { dynamodbClient } from '#adapters/dynamodb/client.ts';
import { gates } from '#adapters/dynamodb/gates.ts';
import { connectDatabase } from '#adapters/postgres/connection.ts';
import type { DatabaseEnvironment } from '#adapters/postgres/environment.ts';
import type { Database } from '#adapters/postgres/database.ts';
import { runStore } from '#adapters/postgres/loop-runs.ts';
import { hostOf, type LoopName } from '#domain/schedule/loops.ts';
import { runTick, type Drain, type Run, type TickResult } from '#domain/schedule/tick.ts';
import { chance } from './chance.ts';
import { environment } from './environment.ts';
import { log } from './log.ts';
import { measureLoop } from './metrics.ts';
import { newId } from './new-id.ts';
import { waker, type Wake } from './wake.ts';

/** What every loop reads from its environment. */
export const loopEnvironment = {
  ...environment.database,
  ...environment.state,
  CERTCTL_RELEASE: z.string().default('unreleased'),
} as const;

export interface LoopSettings extends DatabaseEnvironment {
  readonly STATE_TABLE: string;
  readonly CERTCTL_RELEASE: string;
}

/** What a loop's work is given. */
export interface LoopTools {
  readonly database: Database;
  /** For transactions that make other loops due. */
  readonly wake: Wake;
}

const event = z.union([
  z.object({ warmup: z.literal(true) }),
  z.object({ loop: z.string(), scheduledTime: z.string().max(64).optional(), run: z.string().max(64).optional() }),
]);

/**
 * The handler of a loop: the frame of `domain/schedule/tick.ts` around its work. PostgreSQL is not touched before the gate is open.
 *
 * @param open makes the work once per instance
 */
export function loopHandler(
  name: LoopName,
  settings: LoopSettings,
  open: (tools: LoopTools) => (run: Run) => Promise<Drain>,
): (event: unknown, context: Context) => Promise<TickResult | undefined> {
  const loop = hostOf(name);
  const database = connectDatabase(settings, loop.function, 60_000);
  const store = gates(dynamodbClient(3000), settings.STATE_TABLE);
  const wake = waker(store, () => chance.now());
  const inner = open({ database, wake });
  const work = async (run: Run): Promise<Drain> => {
    // What a loop does leaves audit rows, which want to be sealed; sealing leaves none.
    if (loop.name !== 'auditChainVerify') await wake();
    return inner(run);
  };
  const ports = { gates: store, runs: runStore(database, settings.CERTCTL_RELEASE, newId), now: () => chance.now(), newId };
  return async (raw, context) => {
    const tick = event.parse(raw);
    if ('warmup' in tick) return undefined;
    const began = performance.now();
    database.wake(chance.now());
    const result = await runTick(ports, loop, { ...tick }, context.getRemainingTimeInMillis(), work);
    const facts = { loop: name, outcome: result.outcome, processed: result.processed, failed: result.failed };
    if (result.outcome === 'failed') log.error('tick', { ...facts, error: result.error as Error });
    else if (result.outcome !== 'idle') log.info('tick', facts);
    measureLoop(name, result, performance.now() - began);
    // Lambda counts the error and keeps the event with the failures; the next tick is the retry.
    if (result.outcome === 'failed') throw new Error(`the tick of ${name} failed`, { cause: result.error });
    return result;
  };
}
