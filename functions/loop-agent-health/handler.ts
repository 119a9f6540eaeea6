import type { Context } from 'aws-lambda';
import * as z from 'zod';
import { agentStates } from '#adapters/dynamodb/agent-states.ts';
import { dynamodbClient } from '#adapters/dynamodb/client.ts';
import { gates } from '#adapters/dynamodb/gates.ts';
import { agentHealth } from '#adapters/postgres/agent-health.ts';
import { jobQueue } from '#adapters/sqs/job-queue.ts';
import type { TickResult } from '#domain/schedule/tick.ts';
import { chance } from '../shared/chance.ts';
import { environment } from '../shared/environment.ts';
import { loopEnvironment, loopHandler } from '../shared/loop.ts';

const settings = z
  .object({ ...loopEnvironment, ...environment.queue, AGENT_SILENT_SECONDS: z.coerce.number().int().min(1).default(300) })
  .parse(process.env);
const dynamodb = dynamodbClient(3000);
const states = agentStates(dynamodb, settings.STATE_TABLE);

async function silent(): Promise<readonly string[]> {
  const since = chance.now() - settings.AGENT_SILENT_SECONDS * 1000;
  return [...(await states.heard())].flatMap(([id, at]) => (at <= since ? [id] : []));
}

const tick = loopHandler('agentHealthCheck', settings, ({ database, wake }) => {
  const store = agentHealth(database);
  const queue = jobQueue(settings.JOB_QUEUE_URL);
  return async () => {
    const ids = await silent();
    if (ids.length === 0) return { processed: 0, failed: 0, nextDue: undefined };
    await wake('notificationProcess');
    const notificationIds = await store.offline(ids);
    const failed = await queue.sendAll(notificationIds.map((notificationId) => ({ notificationId })));
    // Last: who dies before it comes again, and finds the rows as they should be. An agent that was heard of meanwhile stays.
    const since = chance.now() - settings.AGENT_SILENT_SECONDS * 1000;
    await Promise.all(ids.map((id) => states.away(id, since)));
    return { processed: ids.length, failed, nextDue: undefined };
  };
});

/** agentHealthCheck: the gate is open when somebody is silent, which DynamoDB knows. */
export async function handler(event: unknown, context: Context): Promise<TickResult | undefined> {
  const warmup = z.object({ warmup: z.literal(true) }).safeParse(event).success;
  if (!warmup && (await silent()).length > 0) await gates(dynamodb, settings.STATE_TABLE).wake('agentHealthCheck', chance.now());
  return tick(event, context);
}
