/** A rate with burst: `burst` at once, then one every `intervalUs` (generic cell rate algorithm). */
export interface Rate {
  /** Emission interval T in microseconds. */
  readonly intervalUs: number;
  readonly burst: number;
}

/** What to do with a bucket whose theoretical arrival time is `tat`. */
export type Decision = { readonly branch: 'idle' | 'busy' } | { readonly branch: 'refuse'; readonly retryAfterSeconds: number };

/** How far ahead of now a bucket may run so that `tokens` more still fit: D = (B − n)·T, in microseconds. */
export function tolerance(rate: Rate, tokens = 1): number {
  return (rate.burst - tokens) * rate.intervalUs;
}

/**
 * Classifies a bucket. The result chooses which conditional write to try; the write's own condition is the decision.
 *
 * @param tatUs theoretical arrival time, microseconds since the epoch; undefined for a bucket never used
 * @param tokens at most the burst
 */
export function classify(rate: Rate, tatUs: number | undefined, nowUs: number, tokens = 1): Decision {
  if (tatUs === undefined || tatUs <= nowUs) return { branch: 'idle' };
  const reach = nowUs + tolerance(rate, tokens);
  if (tatUs <= reach) return { branch: 'busy' };
  return { branch: 'refuse', retryAfterSeconds: Math.max(1, Math.ceil((tatUs - reach) / 1_000_000)) };
}

/** How many tokens fit now. */
export function room(rate: Rate, tatUs: number | undefined, nowUs: number): number {
  if (tatUs === undefined || tatUs <= nowUs) return rate.burst;
  return Math.max(0, Math.floor((nowUs + rate.burst * rate.intervalUs - tatUs) / rate.intervalUs));
}

/** `count` per `seconds`, with a burst of its own. */
export function rate(count: number, seconds: number, burst = count): Rate {
  return { intervalUs: Math.ceil((seconds * 1_000_000) / count), burst };
}
