import { leaseLifeUs } from './shape.ts';

/** Tokens that a process has been charged for and may spend by itself. */
export interface TokenLease {
  readonly size: number;
  left: number;
  /** Microseconds since the epoch. */
  readonly until: number;
}

/** Spends one; false when none is left, or what is left is forfeited. */
export function spend(lease: TokenLease | undefined, nowUs: number): boolean {
  // A clock that was set back must not revive an old lease.
  if (lease === undefined || lease.left < 1 || lease.until <= nowUs || lease.until > nowUs + leaseLifeUs) return false;
  lease.left--;
  return true;
}

/** How many to ask for next: twice as many when the last were spent in time, as many as were spent when they were not. */
export function nextSize(last: TokenLease | undefined, most: number, nowUs: number): number {
  if (last === undefined || nowUs - last.until > leaseLifeUs) return 1;
  const wanted = last.left === 0 ? last.size * 2 : last.size - last.left;
  return Math.max(1, Math.min(most, wanted));
}
