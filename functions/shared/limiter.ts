import { randomInt } from 'node:crypto';
import * as z from 'zod/mini';
import { dynamodbClient } from '#adapters/dynamodb/client.ts';
import { limitClock } from '#adapters/dynamodb/limit-clock.ts';
import { limiter, type RateDecision } from '#adapters/dynamodb/limiter.ts';
import { madeOnce } from '#adapters/dynamodb/made-once.ts';
import { CaError } from '#domain/error.ts';
import type { Limiter } from '#domain/limit/limiter.ts';
import { limitNames, limits, limitOf, variableOf, type LimitedFunction, type LimitName } from '#domain/limit/limits.ts';
import { policyOf } from '#domain/limit/shape.ts';
import { chance } from './chance.ts';
import { environment } from './environment.ts';
import type { HttpRequest } from './http.ts';
import { log } from './log.ts';
import { count } from './metrics.ts';

const milliseconds = (value: number) => z._default(z.coerce.number().check(z.int(), z.positive()), value);

const settingsSchema = z.object({
  ...environment.rates,
  ...environment.state,
  LIMITER_TRY_MS: milliseconds(75),
  LIMITER_TOTAL_MS: milliseconds(200),
});

export interface ConnectedLimiter {
  readonly limiter: Limiter;
  readonly counts: Readonly<Record<LimitName, number>>;
  /** The limiter for one request: what it grants and refuses is told in the answer's header fields. */
  of(request: HttpRequest): Limiter;
}

const tenant = 'default';
const firstMs = 1000;
const secretRetryMs = 1000;

/**
 * The limiters of a function as its environment configures them. Begins to connect at once: reading the secret opens the connection that
 * the first decision needs.
 *
 * @throws {z.ZodError} when the environment is not valid
 */
export function connectLimiter(name: LimitedFunction, variables: NodeJS.ProcessEnv): ConnectedLimiter {
  const settings = settingsSchema.parse(variables);
  const counts = countsOf(name, variables);
  // Who is given more time in all, as where one process loads every function, must not be cut off by the connection before.
  const client = dynamodbClient(Math.max(firstMs, settings.LIMITER_TOTAL_MS), 1);
  const made = limiter(client, {
    table: settings.RATE_TABLE,
    tenant,
    counts,
    secret: secretOf(() => madeOnce(client, settings.STATE_TABLE, limiterSecret)),
    clock: limitClock(
      () => chance.now(),
      (ahead) => log.warn('ClockSkew: the table’s time is used', { millisecondsAhead: ahead }),
    ),
    deadlines: { perTry: settings.LIMITER_TRY_MS, inAll: settings.LIMITER_TOTAL_MS, first: Math.max(firstMs, settings.LIMITER_TOTAL_MS) },
    random: (below) => (below < 2 ? 0 : randomInt(below)),
    report,
  });
  return { limiter: made, counts, of: (request) => telling(made, counts, request) };
}

const limiterSecret = { pk: 'limiter-secret', attribute: 'secret', make: async () => chance.random(32) };

/** Read once; after a failure not again at once, for whoever waits for it has a deadline. */
function secretOf(read: () => Promise<Uint8Array>): () => Promise<Uint8Array> {
  let reading: Promise<Uint8Array> | undefined;
  let again = 0;
  const secret = (): Promise<Uint8Array> => {
    if (reading !== undefined && (again === 0 || chance.now() < again)) return reading;
    again = 0;
    reading = read();
    reading.catch(() => (again = chance.now() + secretRetryMs));
    return reading;
  };
  secret().catch(() => undefined);
  return secret;
}

function countsOf(fn: LimitedFunction, variables: NodeJS.ProcessEnv): Readonly<Record<LimitName, number>> {
  const own = limitNames.filter((name) => (limitOf(name).functions as readonly string[]).includes(fn));
  const shape = Object.fromEntries(
    own.map((name) => [
      variableOf(limits[name].setting),
      z._default(z.coerce.number().check(z.int(), z.minimum(limits[name].mayBeOff ? 0 : 1)), limits[name].count),
    ]),
  );
  const read = z.object(shape).parse(variables);
  return Object.fromEntries(limitNames.map((name) => [name, read[variableOf(limits[name].setting)] ?? limits[name].count])) as Record<
    LimitName,
    number
  >;
}

function report(decision: RateDecision): void {
  const facts = { limiter: decision.limiter, outcome: decision.outcome, attempts: decision.attempts };
  const cause = decision.cause instanceof Error ? `${decision.cause.name}: ${decision.cause.message}` : undefined;
  switch (decision.outcome) {
    case 'failedOpen':
      count('LimiterFailOpen');
      log.warn('RateDecision', { ...facts, cause });
      break;
    case 'failedClosed':
    case 'notReleased':
      log.error('RateDecision', { ...facts, cause });
      break;
    case 'admitted':
    case 'refused':
      log.debug('RateDecision', facts);
  }
}

/** Failures are counted silently: a guesser need not know how many are left. */
function telling(inner: Limiter, counts: Readonly<Record<LimitName, number>>, request: HttpRequest): Limiter {
  return {
    async take(name, key) {
      try {
        const allowance = await inner.take(name, key);
        if (allowance !== undefined) request.allowances.push(allowance);
        return allowance;
      } catch (error) {
        if (error instanceof CaError && error.code === 'rateLimited')
          request.allowances.push({ ...policyOf(name, counts[name]), remaining: 0, resetSeconds: error.retryAfter ?? 1 });
        throw error;
      }
    },
    lease: (name, key) => inner.lease(name, key),
    check: (name, key) => inner.check(name, key),
  };
}
