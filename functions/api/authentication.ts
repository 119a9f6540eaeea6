import { createHash } from 'node:crypto';
import type { Caller } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';
import { countingFailures, type Limiter } from '#domain/limit/limiter.ts';

export interface AuthenticationPorts {
  readonly callers: { callerOf(token: string): Promise<Caller | undefined> };
  readonly limiter: Pick<Limiter, 'lease' | 'check'>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const provenMs = 300_000;
const maxProven = 10_000;
const limit = 'api-failed-authentication';

/**
 * Finds whom a bearer token belongs to. A token that nobody has shown here yet may be a guess: a failure is counted before it is looked up, and given
 * back when it is right. One that was right a moment ago is no guess, so many requests with it at once do not look like many guesses; it
 * is looked up all the same, and refused like any other while its address has failed too often.
 *
 * @throws {CaError} `unauthenticated`, `rateLimited`, `unavailable`
 */
export function authentication(ports: AuthenticationPorts): (authorization: string | undefined, address: string) => Promise<Caller> {
  const proven = new Map<string, number>();
  const proving = new Map<string, Promise<Caller>>();

  const lookUp = async (token: string, digest: string): Promise<Caller> => {
    const caller = await ports.callers.callerOf(token);
    if (caller === undefined) {
      proven.delete(digest);
      throw unauthenticated();
    }
    if (proven.size >= maxProven) proven.clear();
    proven.set(digest, ports.now() + provenMs);
    return caller;
  };

  return async (authorization, address) => {
    const token = tokenOf(authorization);
    if (token === undefined) throw unauthenticated();
    const digest = createHash('sha256').update(token).digest('base64');
    if ((proven.get(digest) ?? 0) > ports.now()) {
      await ports.limiter.check(limit, address);
      return lookUp(token, digest);
    }
    // The same guess at the same time is one guess.
    const key = `${address} ${digest}`;
    let proof = proving.get(key);
    if (proof === undefined) {
      proof = countingFailures(ports.limiter, limit, address, isUnauthenticated, () => lookUp(token, digest));
      proving.set(key, proof);
      const forget = (): void => void proving.delete(key);
      proof.then(forget, forget);
    }
    return proof;
  };
}

/** The bearer token of a header field that has the form of one. */
export function tokenOf(authorization: string | undefined): string | undefined {
  return /^Bearer ([A-Za-z0-9._~+/=-]{16,512})$/.exec(authorization ?? '')?.[1];
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof CaError && error.code === 'unauthenticated';
}

function unauthenticated(): CaError {
  return new CaError('unauthenticated', 'send the header "Authorization: Bearer <token>" with a valid token');
}
