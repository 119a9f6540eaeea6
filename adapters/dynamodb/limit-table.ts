import {
  GetItemCommand,
  UpdateItemCommand,
  type AttributeValue,
  type DynamoDBClient,
  type ServiceInputTypes,
  type ServiceOutputTypes,
} from '@aws-sdk/client-dynamodb';
import type { DeserializeMiddleware } from '@smithy/types';
import { isConditionFailure } from './client.ts';
import type { LimitClock } from './limit-clock.ts';

/** How long a decision may wait for the table, in milliseconds. */
export interface LimitDeadlines {
  readonly perTry: number;
  readonly inAll: number;
  /** For the first decision of a process, which may have to connect. */
  readonly first: number;
}

export type LimitItem = Readonly<Record<string, AttributeValue>>;

/** A conditional update without its key. */
export interface LimitUpdate {
  readonly UpdateExpression: string;
  readonly ConditionExpression: string;
  readonly ExpressionAttributeNames: Record<string, string>;
  readonly ExpressionAttributeValues: Record<string, AttributeValue>;
}

/** An item after its update, or as it was when the condition did not hold. */
export interface LimitOutcome {
  readonly done: boolean;
  readonly item: LimitItem;
}

/** The time of one decision. */
export interface LimitBudget {
  readonly perTryMs: number;
  remainingMs(): number;
}

/** Conditional updates under a deadline. */
export interface LimitTable {
  budget(): LimitBudget;
  /** @throws {Error} when the table did not answer in time */
  update(pk: string, update: LimitUpdate, budget: LimitBudget): Promise<LimitOutcome>;
  /** An item as it is. @throws as `update` */
  read(pk: string, budget: LimitBudget): Promise<LimitItem>;
}

/**
 * The table of the limiters. What fails is tried once more: an update that had arrived is then counted twice, which is one too many
 * and never one too few.
 *
 * @param client one that makes no retries of its own
 */
export function limitTable(client: DynamoDBClient, table: string, clock: LimitClock, deadlines: LimitDeadlines): LimitTable {
  let connected = false;
  learnTheTime(client, clock);

  const read = async (pk: string, budget: LimitBudget): Promise<LimitItem> => {
    const get = new GetItemCommand({ TableName: table, Key: { pk: { S: pk } }, ConsistentRead: true });
    try {
      return (await twice(() => client.send(get), budget)).Item ?? {};
    } finally {
      connected = true;
    }
  };

  return {
    read,
    budget() {
      const end = performance.now() + (connected ? deadlines.inAll : deadlines.first);
      return { perTryMs: connected ? deadlines.perTry : deadlines.first, remainingMs: () => end - performance.now() };
    },
    async update(pk, update, budget) {
      const command = new UpdateItemCommand({
        ...update,
        TableName: table,
        Key: { pk: { S: pk } },
        ReturnValues: 'ALL_NEW',
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      });
      try {
        const { Attributes } = await twice(() => client.send(command), budget);
        return { done: true, item: Attributes ?? {} };
      } catch (error) {
        if (!isConditionFailure(error)) throw error;
        // A store that does not know the parameter returns no item, also when there is one. What is read then is a hint, and never written.
        return { done: false, item: error.Item ?? (await read(pk, budget)) };
      } finally {
        connected = true;
      }
    },
  };
}

async function twice<T>(work: () => Promise<T>, budget: LimitBudget): Promise<T> {
  try {
    return await inTime(work, budget);
  } catch (error) {
    if (isConditionFailure(error) || permanent.has((error as Error).name) || budget.remainingMs() < 1) throw error;
    return inTime(work, budget);
  }
}

const permanent = new Set(['AccessDeniedException', 'ResourceNotFoundException', 'ValidationException', 'UnrecognizedClientException']);

// What is late ends by the client’s own time limit: with a signal to abort it the SDK would put its steps together anew for each call.
async function inTime<T>(work: () => Promise<T>, budget: LimitBudget): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error('the table did not answer in time')),
      Math.max(0, Math.min(budget.perTryMs, budget.remainingMs())),
    );
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Every answer tells the time, also one that refuses. */
function learnTheTime(client: DynamoDBClient, clock: LimitClock): void {
  const middleware: DeserializeMiddleware<ServiceInputTypes, ServiceOutputTypes> = (next) => async (args) => {
    const answered = clock.asking();
    const result = await next(args);
    answered((result.response as { headers?: Readonly<Record<string, string>> }).headers?.['date']);
    return result;
  };
  client.middlewareStack.addRelativeTo(middleware, {
    name: 'learnTheTime',
    relation: 'after',
    toMiddleware: 'deserializerMiddleware',
    override: true,
  });
}
