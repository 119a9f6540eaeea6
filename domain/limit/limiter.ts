import type { FailureLimit, TakenLimit } from './limits.ts';

/** What is left of an allowance after it was asked. */
export interface Allowance {
  readonly policy: string;
  /** So many fit into a window. */
  readonly quota: number;
  readonly windowSeconds: number;
  readonly remaining: number;
  /** Whole seconds until more is there. */
  readonly resetSeconds: number;
}

/** One of the failures that are allowed, held while it is not known whether it is one. */
export interface Lease {
  /** It was none. Best effort: what cannot be given back ends with its window. */
  release(): Promise<void>;
}

export interface Limiter {
  /**
   * Takes one from an allowance; undefined when the limiter is off or fails open.
   *
   * @param key whom the allowance belongs to, never empty
   * @throws {CaError} `rateLimited` with `retryAfter`, `unavailable` when the limiter cannot decide and fails closed, `internal` without a key
   */
  take(limit: TakenLimit, key: string): Promise<Allowance | undefined>;
  /**
   * Takes one of the failures that are allowed, before it is known whether there is one.
   *
   * @throws {CaError} as `take`
   */
  lease(limit: FailureLimit, key: string): Promise<Lease>;
  /**
   * Asks whether a failure would still be allowed, for whoever is known not to guess. Writes nothing, and may answer with what was so a second ago.
   *
   * @throws {CaError} as `take`
   */
  check(limit: FailureLimit, key: string): Promise<void>;
}

/**
 * Does what may fail by somebody's fault. The failure is counted before the work begins, so that simultaneous guesses cannot outrun the counter, and
 * given back when there was none.
 */
export async function countingFailures<T>(
  limiter: Pick<Limiter, 'lease'>,
  limit: FailureLimit,
  key: string,
  isFailure: (error: unknown) => boolean,
  work: () => Promise<T>,
): Promise<T> {
  const lease = await limiter.lease(limit, key);
  let counted = false;
  try {
    return await work();
  } catch (error) {
    counted = isFailure(error);
    throw error;
  } finally {
    if (!counted) await lease.release();
  }
}
