/** A rate with burst: `burst` at once, then one every `intervalUs` (generic cell rate algorithm). */
export interface Rate {
  /** Emission interval T in microseconds. */
  readonly intervalUs: number;
  readonly burst: number;
}

/** What to do with a bucket whose theoretical arrival time is `tat`. */
export type Decision = { readonly branch: 'idle' | 'busy' } | { readonly branch: 'refuse'; readonly retryAfterSeconds: number };

/** How far ahead of now a bucket may run: D = (B − 1)·T, in microseconds. */
export function tolerance(rate: Rate): number {
  return (rate.burst - 1) * rate.intervalUs;
}

/**
 * Classifies a bucket. The result chooses which conditional write to try; the write's own condition is the decision.
 *
 * @param tatUs theoretical arrival time, microseconds since the epoch; undefined for a bucket never used
 */
export function classify(rate: Rate, tatUs: number | undefined, nowUs: number): Decision {
  if (tatUs === undefined || tatUs <= nowUs) return { branch: 'idle' };
  if (tatUs <= nowUs + tolerance(rate)) return { branch: 'busy' };
  return { branch: 'refuse', retryAfterSeconds: Math.max(1, Math.ceil((tatUs - tolerance(rate) - nowUs) / 1_000_000)) };
}

/** `count` per `seconds`, all of which may come at once. */
export function rate(count: number, seconds: number): Rate {
  return { intervalUs: Math.round((seconds * 1_000_000) / count), burst: count };
}
