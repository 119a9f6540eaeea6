import { createHash } from 'node:crypto';
import type { Caller } from '#domain/access/grant.ts';
import type { IamPrincipal } from '#domain/access/iam-principal.ts';
import { CaError } from '#domain/error.ts';
import { countingFailures, type Limiter } from '#domain/limit/limiter.ts';
import type { HttpRequest } from '../shared/http.ts';

/** What a caller shows: a secret, or who it is, proven by the gateway's authorizer. */
export type Credential = { readonly token: string } | { readonly principal: IamPrincipal };

export interface AuthenticationPorts {
  readonly callers: {
    callerOf(token: string): Promise<Caller | undefined>;
    mapped(principal: IamPrincipal): Promise<Caller | undefined>;
  };
  readonly limiter: Pick<Limiter, 'lease' | 'check'>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const provenMs = 300_000;
const maxProven = 10_000;
const limit = 'api-failed-authentication';

/**
 * Finds whom a credential belongs to. One that nobody has shown here yet may be a guess: a failure is counted before it is looked up, and given
 * back when it is right. One that was right a moment ago is no guess, so many requests with it at once do not look like many guesses; it
 * is looked up all the same, and refused like any other while its address has failed too often.
 *
 * @throws {CaError} `unauthenticated`, `rateLimited`, `unavailable`
 */
export function authentication(ports: AuthenticationPorts): (credential: Credential | undefined, address: string) => Promise<Caller> {
  const proven = new Map<string, number>();
  const proving = new Map<string, Promise<Caller>>();

  const lookUp = async (credential: Credential, digest: string): Promise<Caller> => {
    const caller = await ('token' in credential ? ports.callers.callerOf(credential.token) : ports.callers.mapped(credential.principal));
    if (caller === undefined) {
      proven.delete(digest);
      throw unauthenticated();
    }
    if (proven.size >= maxProven) proven.clear();
    proven.set(digest, ports.now() + provenMs);
    return caller;
  };

  return async (credential, address) => {
    if (credential === undefined) throw unauthenticated();
    const digest = digestOf(credential);
    if ((proven.get(digest) ?? 0) > ports.now()) {
      // Both at once: who is no guesser need not wait for two answers. What was found is of no use to one who is refused.
      const looked = lookUp(credential, digest);
      looked.catch(() => undefined);
      await ports.limiter.check(limit, address);
      return looked;
    }
    // The same guess at the same time is one guess.
    const key = `${address} ${digest}`;
    let proof = proving.get(key);
    if (proof === undefined) {
      proof = countingFailures(ports.limiter, limit, address, isUnauthenticated, () => lookUp(credential, digest));
      proving.set(key, proof);
      const forget = (): void => void proving.delete(key);
      proof.then(forget, forget);
    }
    return proof;
  };
}

/** What a request shows. Behind the IAM authorizer that is whom it proved; a token is not looked at there, and an identity is read nowhere else. */
export function credentialOf({ iam, headers }: Pick<HttpRequest, 'iam' | 'headers'>): Credential | undefined {
  if (iam !== undefined) return iam.principal && { principal: iam.principal };
  const token = /^Bearer ([A-Za-z0-9._~+/=-]{16,512})$/.exec(headers['authorization'] ?? '')?.[1];
  return token === undefined ? undefined : { token };
}

/** No token is an ARN. */
function digestOf(credential: Credential): string {
  const shown = 'token' in credential ? credential.token : credential.principal.arn;
  return createHash('sha256').update(shown).digest('base64');
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof CaError && error.code === 'unauthenticated';
}

function unauthenticated(): CaError {
  return new CaError('unauthenticated', 'send the header "Authorization: Bearer <token>" with a valid token');
}
