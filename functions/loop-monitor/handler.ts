import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import type { Context } from 'aws-lambda';
import * as z from 'zod';
import { dynamodbClient } from '#adapters/dynamodb/client.ts';
import { gates } from '#adapters/dynamodb/gates.ts';
import { lastSuccessOf } from '#domain/schedule/gate.ts';
import { hostOf, scheduledLoops } from '#domain/schedule/loops.ts';
import { isDailyWindow } from '#domain/schedule/daily-window.ts';
import { chance } from '../shared/chance.ts';
import { environment } from '../shared/environment.ts';
import { log } from '../shared/log.ts';
import { measureAges } from '../shared/metrics.ts';

const settings = z
  .object({
    ...environment.state,
    /** Names of functions that fall asleep when nobody calls them, separated by commas. */
    WARM_FUNCTIONS: z.string().default(''),
  })
  .parse(process.env);

const self = hostOf('monitor');
const store = gates(dynamodbClient(3000), settings.STATE_TABLE);
const lambda = new LambdaClient({ maxAttempts: 2 });
const sleepers = settings.WARM_FUNCTIONS.split(',').filter((name) => name !== '');
const event = z.union([z.object({ warmup: z.literal(true) }), z.object({ scheduledTime: z.string().optional() })]);

export interface Overdue {
  readonly loop: string;
  /** How many of its intervals ago it last succeeded. */
  readonly intervals: number;
}

/**
 * Measures how long ago each loop succeeded, in its own intervals, and names those beyond three. It asks DynamoDB alone; when it is silent
 * itself, the alarm on its measurement goes off.
 */
export async function handler(raw: unknown, _context: Context): Promise<{ readonly overdue: readonly Overdue[] } | undefined> {
  const tick = event.parse(raw);
  if ('warmup' in tick) return undefined;
  const now = chance.now();
  const before = await store.tick(self.name, tick.scheduledTime ?? new Date(now).toISOString(), now);
  const ages = await Promise.all(
    scheduledLoops
      .filter((loop) => loop.name !== self.name)
      .map(async (loop): Promise<Overdue> => {
        const gate = await store.read(loop.name);
        const interval = (gate.intervalOverride ?? loop.everyMinutes * 60) * 1000;
        // A loop that never ran is as old as the monitor's own first look at it; a disabled one is a decision, not a fault.
        const since = lastSuccessOf(gate) || (await store.firstSeen(loop.name, now));
        return { loop: loop.name, intervals: gate.enabled ? (now - since) / interval : 0 };
      }),
  );
  const overdue = ages.filter(({ intervals }) => intervals > 3);
  measureAges(ages);
  if (overdue.length > 0) log.error('loops are overdue', { overdue });
  if (isDailyWindow(now, self.everyMinutes)) await warmUp();
  await store.drained(self.name, { nextDue: 0, drainedSeq: before.seq, drainedFrom: now }, chance.now());
  return { overdue };
}

/** Functions in a VPC that nobody calls for two weeks fail their next call. */
async function warmUp(): Promise<void> {
  const payload = Buffer.from(JSON.stringify({ warmup: true }));
  for (const FunctionName of sleepers) {
    try {
      await lambda.send(new InvokeCommand({ FunctionName, InvocationType: 'Event', Payload: payload }));
    } catch (error) {
      log.error('a function was not kept awake', { function: FunctionName, error: error as Error });
    }
  }
}
