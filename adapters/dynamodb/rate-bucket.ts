import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { classify, room, tolerance, type Rate } from '#domain/limit/gcra.ts';
import { leaseLifeUs } from '#domain/limit/shape.ts';
import { nextSize, spend, type TokenLease } from '#domain/limit/token-lease.ts';
import { boundedMap } from './bounded-map.ts';
import type { LimitClock } from './limit-clock.ts';
import type { LimitItem, LimitTable, LimitUpdate } from './limit-table.ts';
import { Contended, type Verdict } from './verdict.ts';

const maxAttempts = 4;
const maxRemembered = 10_000;
// Useful until the whole burst has drained, and an hour more for clocks that differ and a clean-up that is late.
const keptSeconds = 3600;
// What was seen chooses one of these; it is never written.
const slacksUs = Array.from({ length: 13 }, (_, power) => 1000 * 2 ** power);

interface Bucket {
  /** Theoretical arrival time as last seen, microseconds since the epoch. */
  tat: number | undefined;
  lease: TokenLease | undefined;
  acquiring: Promise<Verdict> | undefined;
}

/**
 * Rates with burst (GCRA). A decision is one conditional update, whose condition is the whole decision; what is remembered or returned only
 * chooses which of two disjoint updates to try.
 */
export function rateBuckets(table: LimitTable, clock: LimitClock): (pk: string, rate: Rate, mostTokens: number) => Promise<Verdict> {
  const buckets = boundedMap<Bucket>(maxRemembered);

  const acquire = async (pk: string, bucket: Bucket, rate: Rate, mostTokens: number): Promise<Verdict> => {
    const budget = table.budget();
    let tokens = nextSize(bucket.lease, mostTokens, clock.nowUs());
    let { tat } = bucket;
    for (let attempts = 1; attempts <= maxAttempts; attempts++) {
      const nowUs = clock.nowUs();
      let decision = classify(rate, tat, nowUs, tokens);
      if (decision.branch === 'refuse' && tokens > 1) {
        tokens = Math.max(1, Math.min(tokens, room(rate, tat, nowUs)));
        decision = classify(rate, tat, nowUs, tokens);
      }
      // A refusal needs the bucket as it is now, not as this process remembers it.
      const branch = decision.branch === 'refuse' ? 'busy' : decision.branch;
      const update = branch === 'idle' && attempts > 1 ? afterOthers(rate, tokens, nowUs, tat) : updateOf(branch, rate, tokens, nowUs);
      const { done, item } = await table.update(pk, update, budget);
      tat = numberOf(item, 'tat');
      bucket.tat = tat;
      if (done) {
        bucket.lease = { size: tokens, left: tokens - 1, until: nowUs + leaseLifeUs };
        return { admitted: true, remaining: remainingOf(bucket, rate, nowUs), attempts };
      }
      const now = classify(rate, tat, nowUs);
      if (now.branch === 'refuse') return { admitted: false, retryAfterSeconds: now.retryAfterSeconds, attempts };
    }
    throw new Contended(maxAttempts);
  };

  return async (pk, rate, mostTokens) => {
    const bucket = buckets.get(pk) ?? { tat: undefined, lease: undefined, acquiring: undefined };
    buckets.set(pk, bucket);
    if (mostTokens === 1) return acquire(pk, bucket, rate, 1);
    for (;;) {
      const nowUs = clock.nowUs();
      if (spend(bucket.lease, nowUs)) return { admitted: true, remaining: remainingOf(bucket, rate, nowUs), attempts: 0 };
      if (bucket.acquiring === undefined) break;
      // One of the requests of this process takes tokens for the others.
      const verdict = await bucket.acquiring;
      if (!verdict.admitted) return { ...verdict, attempts: 0 };
    }
    bucket.acquiring = acquire(pk, bucket, rate, mostTokens).finally(() => (bucket.acquiring = undefined));
    return bucket.acquiring;
  };
}

function remainingOf(bucket: Bucket, rate: Rate, nowUs: number): number {
  return room(rate, bucket.tat, nowUs) + (bucket.lease?.left ?? 0);
}

function updateOf(branch: 'idle' | 'busy', rate: Rate, tokens: number, nowUs: number): LimitUpdate {
  if (branch === 'busy') return addition(rate, tokens, nowUs, 0);
  return {
    UpdateExpression: 'SET tat = :next, #exp = :exp',
    ConditionExpression: 'attribute_not_exists(tat) OR tat <= :now',
    ExpressionAttributeNames: { '#exp': 'exp' },
    ExpressionAttributeValues: {
      ':now': { N: String(nowUs) },
      ':exp': expiry(rate, nowUs),
      ':next': { N: String(nowUs + tokens * rate.intervalUs) },
    },
  };
}

/**
 * For a bucket that somebody else found idle in the same moment, and that is idle once more. If all who lost set it again, one of them would
 * win each round and the last never; additions go together. Each adds for the time that the bucket is behind too, rounded up, so that what
 * is admitted is never more than the rate.
 */
function afterOthers(rate: Rate, tokens: number, nowUs: number, tatUs: number | undefined): LimitUpdate {
  const behindUs = slacksUs.find((slack) => tatUs !== undefined && tatUs > nowUs - slack);
  return behindUs === undefined || behindUs > tolerance(rate, tokens)
    ? updateOf('idle', rate, tokens, nowUs)
    : addition(rate, tokens, nowUs, behindUs);
}

/** Holds for a bucket that is behind by less than `behindUs`; 0: for one that is busy. */
function addition(rate: Rate, tokens: number, nowUs: number, behindUs: number): LimitUpdate {
  return {
    UpdateExpression: 'SET tat = tat + :charge, #exp = :exp',
    ConditionExpression: 'tat > :now AND tat <= :reach',
    ExpressionAttributeNames: { '#exp': 'exp' },
    ExpressionAttributeValues: {
      ':now': { N: String(nowUs - behindUs) },
      ':exp': expiry(rate, nowUs),
      ':charge': { N: String(tokens * rate.intervalUs + behindUs) },
      ':reach': { N: String(nowUs + tolerance(rate, tokens) - behindUs) },
    },
  };
}

function expiry(rate: Rate, nowUs: number): AttributeValue {
  return { N: String(Math.ceil((nowUs + rate.intervalUs * rate.burst) / 1_000_000) + keptSeconds) };
}

function numberOf(item: LimitItem, name: string): number | undefined {
  const text = item[name]?.N;
  return text === undefined ? undefined : Number(text);
}
