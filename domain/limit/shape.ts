import { rate, type Rate } from './gcra.ts';
import { limitOf, type LimitDeclaration, type LimitName } from './limits.ts';
import type { Cap } from './slots.ts';

/** Tokens that a process took in advance and did not spend are forfeited after so long. */
export const leaseLifeUs = 1_000_000;

const tokensPerLease = 100;

/**
 * The rate of a declaration of kind `burst` or `bounded`.
 *
 * @param count as configured; at least 1
 */
export function rateOf(declaration: LimitDeclaration, count: number): Rate {
  if (declaration.kind === 'burst') return rate(count, declaration.windowSeconds, Math.max(1, count * (declaration.burstTimes ?? 1)));
  // B + (W + L)/T ≤ N: a token may be spent up to a lease's life after it was charged.
  const burst = Math.max(1, Math.floor(count / 10));
  const periodSeconds = declaration.windowSeconds + leaseLifeUs / 1_000_000;
  return rate(Math.max(1, count - burst), periodSeconds, burst);
}

/** Most tokens that a process may take in advance: never more than a tenth of the burst. */
export function leaseSize(declaration: LimitDeclaration, rate: Rate): number {
  return declaration.leased === true ? Math.max(1, Math.min(tokensPerLease, Math.floor(rate.burst / 10))) : 1;
}

/** The slots of a declaration of kind `strict` or `failures`. */
export function capOf(declaration: LimitDeclaration, count: number): Cap {
  return { count, windowUs: declaration.windowSeconds * 1_000_000 };
}

/** What a process admits by itself while the table does not answer. */
export function tenthOf(rate: Rate): Rate {
  return { intervalUs: rate.intervalUs * 10, burst: Math.max(1, Math.floor(rate.burst / 10)) };
}

/** A limit in the words of the header fields: so many fit into so many seconds. */
export function policyOf(
  name: LimitName,
  count: number,
): { readonly policy: string; readonly quota: number; readonly windowSeconds: number } {
  const declaration = limitOf(name);
  if (declaration.kind !== 'burst' && declaration.kind !== 'bounded')
    return { policy: name, quota: count, windowSeconds: declaration.windowSeconds };
  const { burst, intervalUs } = rateOf(declaration, count);
  return { policy: name, quota: burst, windowSeconds: Math.max(1, Math.round((burst * intervalUs) / 1_000_000)) };
}
