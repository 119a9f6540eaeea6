import { createHmac } from 'node:crypto';
import { UpdateItemCommand, GetItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Chance } from '#domain/clock.ts';
import { CaError } from '#domain/error.ts';
import { classify, tolerance, type Rate } from '#domain/limit/gcra.ts';
import { isConditionFailure } from './client.ts';

export interface LimiterOptions {
  readonly table: string;
  /** Keys the bucket's name, so that no address or account is stored. */
  readonly pepper: string;
  readonly chance: Chance;
}

const maxAttempts = 4;
const rememberRefusalMs = 1000;
const maxRemembered = 10_000;

const idle = {
  UpdateExpression: 'SET tat = :next, #exp = :exp',
  ConditionExpression: 'attribute_not_exists(tat) OR tat <= :now',
} as const;
const busy = {
  UpdateExpression: 'SET tat = tat + :interval, #exp = :exp',
  ConditionExpression: 'tat > :now AND tat <= :limit',
} as const;

/**
 * One conditional write per decision, the same for all copies: the write's condition is the whole decision, and nothing that was
 * read is ever written back.
 *
 * @throws {CaError} `rateLimited` with whole seconds to wait; `unavailable` when the table does not answer (closed: issuance without a cap is the threat)
 */
export function limiter(client: DynamoDBClient, options: LimiterOptions): (name: string, rate: Rate, key: string) => Promise<void> {
  const seen = new Map<string, number>();
  const refused = new Map<string, { until: number; retryAt: number }>();

  return async (name, rate, key) => {
    const pk = `v1#${name}#${createHmac('sha256', options.pepper).update(key).digest('hex').slice(0, 32)}`;
    const nowMs = options.chance.now();
    const remembered = refused.get(pk);
    if (remembered !== undefined && remembered.until > nowMs) throw limited(Math.max(1, Math.ceil((remembered.retryAt - nowMs) / 1000)));
    const nowUs = nowMs * 1000;
    let tat = seen.get(pk);
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const decision = classify(rate, tat, nowUs);
      // A refusal needs the bucket as it is now, not as this copy remembers it.
      const branch = decision.branch === 'refuse' ? 'busy' : decision.branch;
      try {
        tat = await write(client, options.table, pk, rate, branch, nowUs);
        remember(seen, pk, tat);
        return;
      } catch (error) {
        if (!isConditionFailure(error))
          throw new CaError('unavailable', 'the rate limiter does not answer; try again', { cause: error, retryAfter: 30 });
        tat = error.Item === undefined ? await read(client, options.table, pk) : numberOf(error.Item['tat']?.N);
        const now = classify(rate, tat, nowUs);
        if (now.branch === 'refuse') {
          const retryMs = now.retryAfterSeconds * 1000;
          remember(refused, pk, { until: nowMs + Math.min(retryMs, rememberRefusalMs), retryAt: nowMs + retryMs });
          throw limited(now.retryAfterSeconds);
        }
      }
    }
    throw new CaError('unavailable', 'the rate limiter is contended; try again', { retryAfter: 1 });
  };
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.size >= maxRemembered) {
    const [oldest] = map.keys();
    if (oldest !== undefined) map.delete(oldest);
  }
  map.delete(key);
  map.set(key, value);
}

function limited(retryAfter: number): CaError {
  return new CaError('rateLimited', `too many requests of this kind; try again in ${retryAfter} seconds`, { retryAfter });
}

async function write(
  client: DynamoDBClient,
  table: string,
  pk: string,
  rate: Rate,
  branch: 'idle' | 'busy',
  nowUs: number,
): Promise<number> {
  // Useful until the whole burst has drained, and an hour more for clocks that differ.
  const exp = String(Math.ceil((nowUs + rate.intervalUs * rate.burst) / 1_000_000) + 3600);
  const values =
    branch === 'idle'
      ? { ':next': { N: String(nowUs + rate.intervalUs) }, ':now': { N: String(nowUs) }, ':exp': { N: exp } }
      : {
          ':interval': { N: String(rate.intervalUs) },
          ':now': { N: String(nowUs) },
          ':limit': { N: String(nowUs + tolerance(rate)) },
          ':exp': { N: exp },
        };
  const answer = await client.send(
    new UpdateItemCommand({
      TableName: table,
      Key: { pk: { S: pk } },
      ...(branch === 'idle' ? idle : busy),
      ExpressionAttributeNames: { '#exp': 'exp' },
      ExpressionAttributeValues: values,
      ReturnValues: 'UPDATED_NEW',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    }),
  );
  return numberOf(answer.Attributes?.['tat']?.N) ?? nowUs + rate.intervalUs;
}

async function read(client: DynamoDBClient, table: string, pk: string): Promise<number | undefined> {
  const { Item } = await client.send(new GetItemCommand({ TableName: table, Key: { pk: { S: pk } }, ConsistentRead: true }));
  return numberOf(Item?.['tat']?.N);
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
