import { randomInt } from 'node:crypto';
import './credentials.ts';
import { dynamodbClient } from '#adapters/dynamodb/client.ts';
import type { LimitClock } from '#adapters/dynamodb/limit-clock.ts';
import { limiter, type RateDecision } from '#adapters/dynamodb/limiter.ts';
import type { Limiter } from '#domain/limit/limiter.ts';
import { limitNames, limitOf, type LimitName } from '#domain/limit/limits.ts';

/** A clock that stands still until it is set. */
export interface SetClock extends LimitClock {
  /** Seconds since the epoch. */
  set(seconds: number): void;
  advance(seconds: number): void;
}

export function setClock(seconds = 1_764_000_000): SetClock {
  let us = seconds * 1_000_000;
  return {
    nowUs: () => us,
    marginUs: () => 250_000,
    asking: () => () => undefined,
    set: (to) => (us = to * 1_000_000),
    advance: (by) => (us += by * 1_000_000),
  };
}

export const random = (below: number): number => (below < 2 ? 0 : randomInt(below));
// Many callers on few cores: what is measured here is never the network.
export const patient = { perTry: 20_000, inAll: 60_000, first: 60_000 };

export interface TestLimiter extends Limiter {
  readonly decisions: RateDecision[];
}

/** The limiter as functions have it, with numbers, clock and deadlines of the test. */
export function testLimiter(
  place: { readonly endpoint: string; readonly name: string },
  options: {
    readonly counts?: Partial<Record<LimitName, number>>;
    readonly clock?: LimitClock;
    readonly deadlines?: typeof patient;
  } = {},
): TestLimiter {
  process.env['AWS_ENDPOINT_URL'] = place.endpoint;
  const decisions: RateDecision[] = [];
  const defaults = Object.fromEntries(limitNames.map((name) => [name, limitOf(name).count])) as Record<LimitName, number>;
  const made = limiter(dynamodbClient(60_000, 1), {
    table: place.name,
    tenant: 'default',
    counts: { ...defaults, ...options.counts },
    secret: async () => Buffer.from('the same in all processes'),
    clock: options.clock ?? setClock(),
    deadlines: options.deadlines ?? patient,
    random,
    report: (decision) => void decisions.push(decision),
  });
  return { ...made, decisions };
}

/** Whether one was admitted; what is no refusal is thrown. */
export async function admitted(taking: Promise<unknown>): Promise<boolean> {
  return (await retryAfter(taking)) === undefined;
}

/** Seconds that a refusal names; undefined when there was none. */
export async function retryAfter(taking: Promise<unknown>): Promise<number | undefined> {
  try {
    await taking;
    return undefined;
  } catch (error) {
    const { code, retryAfter: seconds } = error as { code?: string; retryAfter?: number };
    if (code !== 'rateLimited' || seconds === undefined) throw error;
    return seconds;
  }
}

export const count = (outcomes: readonly boolean[]): number => outcomes.filter(Boolean).length;
