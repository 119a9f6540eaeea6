/** What of a keystore may leave its host. */
export interface Keystore {
  /** DER, each a copy. */
  readonly certificates: readonly Buffer[];
  /** A private key lies in it; nothing of it was read. */
  readonly keyPresent: boolean;
  /** Why not all of its certificates are here. */
  readonly problem: KeystoreError | undefined;
}

/**
 * `locked`: no password opens it; `costly`: to try them takes too much work; `unknown`: written in a way that is not read; `damaged`: not what the format says,
 * or changed since it was written.
 */
export type KeystoreFault = 'locked' | 'costly' | 'unknown' | 'damaged';

/** Why a keystore could not be read, in words that hold nothing of it. */
export class KeystoreError extends Error {
  override readonly name = 'KeystoreError';
  readonly fault: KeystoreFault;
  constructor(fault: KeystoreFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** Of one file, as many as of a file of PEM. */
export const maxCertificates = 500;

/** Iterations of PBKDF2 that a file may still cost, or the like of it: a file says itself how many it wants. */
export interface Budget {
  readonly most: number;
  left: number;
}

/** @throws {KeystoreError} `costly` */
export function spend(budget: Budget, iterations: number): void {
  if (!(iterations <= budget.left)) throw new KeystoreError('costly', `to try the passwords takes more than ${budget.most} iterations`);
  budget.left -= iterations;
}
