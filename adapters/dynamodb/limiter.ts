import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CaError } from '#domain/error.ts';
import { classify } from '#domain/limit/gcra.ts';
import type { Allowance, Lease, Limiter } from '#domain/limit/limiter.ts';
import { limitOf, type FailureLimit, type LimitName, type TakenLimit } from '#domain/limit/limits.ts';
import { capOf, leaseSize, policyOf, rateOf, tenthOf } from '#domain/limit/shape.ts';
import { boundedMap } from './bounded-map.ts';
import type { LimitClock } from './limit-clock.ts';
import { limitTable, type LimitDeadlines } from './limit-table.ts';
import { rateBuckets } from './rate-bucket.ts';
import { slotLeases, type LookVerdict } from './slot-leases.ts';
import type { Verdict } from './verdict.ts';

/** How a limiter decided. */
export interface RateDecision {
  readonly limiter: LimitName;
  readonly outcome: 'admitted' | 'refused' | 'failedOpen' | 'failedClosed' | 'notReleased';
  /** Writes that it took; 0 when what the process held or remembered was enough. */
  readonly attempts: number;
  readonly cause?: unknown;
}

export interface LimiterOptions {
  readonly table: string;
  /** Whose limits these are; the first part of every key. */
  readonly tenant: string;
  /** As configured; 0 is off. */
  readonly counts: Readonly<Record<LimitName, number>>;
  /** Names of buckets are made with it, so that no address or account is stored. */
  readonly secret: () => Promise<Uint8Array>;
  readonly clock: LimitClock;
  readonly deadlines: LimitDeadlines;
  /** A number from 0 up to and without `below`. */
  readonly random: (below: number) => number;
  readonly report: (decision: RateDecision) => void;
}

const rememberRefusalMs = 1000;
const rememberLookMs = 1000;
const maxRemembered = 10_000;
const closedRetrySeconds = 30;
// A slot so young may belong to somebody who is right and gives it back in a moment.
const youngUs = 2_000_000;
const pausesMs = [40, 80, 160];

/** Limits that hold for all processes together, each decision made by conditional writes to one table. */
export function limiter(client: DynamoDBClient, options: LimiterOptions): Limiter {
  const { clock, counts } = options;
  const table = limitTable(client, options.table, clock, options.deadlines);
  const rates = rateBuckets(table, clock);
  const slots = slotLeases(table, clock, options.random);
  const refused = boundedMap<{ readonly untilUs: number; readonly retryAtUs: number }>(maxRemembered);
  const looked = boundedMap<number>(maxRemembered);
  const alone = boundedMap<number>(maxRemembered);

  // Of bytes Node would make the key anew for each name.
  let secret: { readonly bytes: Uint8Array; readonly key: KeyObject } | undefined;
  const nameOf = async (name: LimitName, key: string): Promise<string> => {
    const bytes = await options.secret();
    if (secret?.bytes !== bytes) secret = { bytes, key: createSecretKey(bytes) };
    const digest = createHmac('sha256', secret.key).update(`${name}\0${key}`).digest('hex').slice(0, 32);
    return `v1#${options.tenant}#${name}#${digest}`;
  };

  const decided = <T extends Verdict>(name: LimitName, pk: string, verdict: T): T & { readonly admitted: true } => {
    options.report({ limiter: name, outcome: verdict.admitted ? 'admitted' : 'refused', attempts: verdict.attempts });
    if (verdict.admitted) return verdict as T & { readonly admitted: true };
    const nowUs = clock.nowUs();
    const retryUs = verdict.retryAfterSeconds * 1_000_000;
    refused.set(pk, { untilUs: nowUs + Math.min(retryUs, rememberRefusalMs * 1000), retryAtUs: nowUs + retryUs });
    throw limited(name, counts[name], verdict.retryAfterSeconds);
  };

  /** An attack does not buy a write per request. */
  const assertNotRefused = (name: LimitName, pk: string): void => {
    const remembered = refused.get(pk);
    if (remembered === undefined) return;
    const nowUs = clock.nowUs();
    if (remembered.untilUs <= nowUs) {
      refused.delete(pk);
      return;
    }
    options.report({ limiter: name, outcome: 'refused', attempts: 0 });
    throw limited(name, counts[name], Math.max(1, Math.ceil((remembered.retryAtUs - nowUs) / 1_000_000)));
  };

  const failed = (name: LimitName, key: string, cause: unknown): void => {
    const declaration = limitOf(name);
    if (declaration.onError === 'closed') {
      options.report({ limiter: name, outcome: 'failedClosed', attempts: 0, cause });
      throw new CaError('unavailable', 'the rate limiter does not answer; try again', { cause, retryAfter: closedRetrySeconds });
    }
    options.report({ limiter: name, outcome: 'failedOpen', attempts: 0, cause });
    if (declaration.onError === 'open') return;
    const tenth = tenthOf(rateOf(declaration, counts[name]));
    const [own, nowUs] = [`${name}\0${key}`, clock.nowUs()];
    const tat = alone.get(own);
    const decision = classify(tenth, tat, nowUs);
    if (decision.branch === 'refuse') throw limited(name, counts[name], decision.retryAfterSeconds);
    alone.set(own, (decision.branch === 'idle' || tat === undefined ? nowUs : tat) + tenth.intervalUs);
  };

  const verdictOf = (name: LimitName, pk: string): Promise<Verdict> => {
    const declaration = limitOf(name);
    if (declaration.kind === 'strict') return slots.take(pk, capOf(declaration, counts[name]));
    const rate = rateOf(declaration, counts[name]);
    return rates(`${pk}#0`, rate, leaseSize(declaration, rate));
  };

  /** Waits a moment for slots of others that are right. */
  const patiently = async <T extends LookVerdict>(ask: () => Promise<T>): Promise<T> => {
    let verdict = await ask();
    for (const pause of pausesMs) {
      if (verdict.admitted || clock.nowUs() - verdict.newestUs > youngUs) break;
      await new Promise((resolve) => setTimeout(resolve, pause));
      verdict = await ask();
    }
    return verdict;
  };

  /** Undefined when the limiter fails open. */
  const decide = async <T extends Verdict>(
    name: LimitName,
    key: string,
    ask: (pk: string) => Promise<T>,
  ): Promise<(T & { readonly admitted: true }) | undefined> => {
    if (key === '') throw new CaError('internal', `the limiter ${name} was asked for nobody`);
    let pk: string;
    let verdict: T;
    try {
      pk = await nameOf(name, key);
      assertNotRefused(name, pk);
      verdict = await ask(pk);
    } catch (error) {
      if (error instanceof CaError) throw error;
      failed(name, key, error);
      return undefined;
    }
    return decided(name, pk, verdict);
  };

  const slotsOf = (name: FailureLimit) => capOf(limitOf(name), counts[name]);

  /** Who is known not to guess asks with every request: what was found a moment ago holds for a second, or until somebody guesses here. */
  const lookedAt = async (name: FailureLimit, pk: string): Promise<Verdict> => {
    if ((looked.get(pk) ?? 0) > clock.nowUs()) return { admitted: true, remaining: 0, attempts: 0 };
    const verdict = await patiently(() => slots.look(pk, slotsOf(name)));
    if (verdict.admitted) looked.set(pk, clock.nowUs() + rememberLookMs * 1000);
    return verdict;
  };

  return {
    async take(name: TakenLimit, key: string): Promise<Allowance | undefined> {
      if (counts[name] === 0) return undefined;
      const verdict = await decide(name, key, (pk) => verdictOf(name, pk));
      return verdict && allowance(name, counts[name], verdict.remaining);
    },
    async lease(name: FailureLimit, key: string): Promise<Lease> {
      const verdict = await decide(name, key, (pk) => {
        looked.delete(pk);
        return patiently(() => slots.take(pk, slotsOf(name)));
      });
      return {
        async release() {
          try {
            if (verdict !== undefined) await slots.release(verdict.held);
          } catch (cause) {
            options.report({ limiter: name, outcome: 'notReleased', attempts: 1, cause });
          }
        },
      };
    },
    async check(name: FailureLimit, key: string): Promise<void> {
      await decide(name, key, (pk) => lookedAt(name, pk));
    },
  };
}

function allowance(name: LimitName, count: number, left: number): Allowance {
  const policy = policyOf(name, count);
  const remaining = Math.max(0, Math.min(policy.quota, left));
  const isRate = ['burst', 'bounded'].includes(limitOf(name).kind);
  const resetSeconds = isRate ? Math.ceil(((policy.quota - remaining) / policy.quota) * policy.windowSeconds) : policy.windowSeconds;
  return { ...policy, remaining, resetSeconds };
}

/** Says which limit it is: a person has to know whether to wait, to ask for more, or to look for what asks so often. */
function limited(name: LimitName, count: number, retryAfter: number): CaError {
  const { counts: what, per } = limitOf(name);
  const { quota, windowSeconds } = policyOf(name, count);
  const most = `${quota} in ${windowSeconds} seconds for each ${per}`;
  return new CaError('rateLimited', `the limit of ${what} is reached, ${most}; try again in ${retryAfter} seconds`, { retryAfter });
}
