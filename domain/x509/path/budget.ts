import { PathFault } from './fault.ts';

/** How much work one question may cost, whatever its certificates and CRLs look like. */
export interface Budget {
  /** Signatures to verify. */
  signatures: number;
  /** Names against subtrees of name constraints. */
  comparisons: number;
  /** Ways up from a certificate to try. */
  paths: number;
}

/** What suffices for any path in use by far, and ends within a second. */
export function newBudget(): Budget {
  return { signatures: 256, comparisons: 250_000, paths: 512 };
}

/** Takes from the budget. @throws {PathFault} `too_complex` when nothing is left */
export function spend(budget: Budget, what: keyof Budget, amount = 1): void {
  budget[what] -= amount;
  if (budget[what] < 0) throw new PathFault('too_complex', `the question costs too many ${what}`);
}
