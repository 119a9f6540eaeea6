/**
 * Every way in which the platform refuses or fails. Protocols map each code to an answer of their own
 * (`Record<ErrorCode, …>`), so a code added here does not compile until every protocol has one.
 */
export type ErrorCode =
  // what a client sent
  | 'malformed'
  | 'payloadTooLarge'
  | 'unsupportedMediaType'
  | 'notAcceptable'
  | 'methodNotAllowed'
  | 'notFound'
  | 'gone'
  | 'conflict'
  | 'preconditionRequired'
  | 'preconditionFailed'
  | 'idempotencyMismatch'
  // who sent it
  | 'badNonce'
  | 'badSignatureAlgorithm'
  | 'badPublicKey'
  | 'unauthenticated'
  | 'unauthorized'
  | 'accountInactive'
  | 'accountDoesNotExist'
  | 'externalAccountRequired'
  | 'invalidContact'
  | 'unsupportedContact'
  | 'userActionRequired'
  // what was asked
  | 'rejectedIdentifier'
  | 'unsupportedIdentifier'
  | 'orderNotReady'
  | 'badCsr'
  | 'alreadyRevoked'
  | 'alreadyReplaced'
  | 'autoRenewalCanceled'
  | 'autoRenewalExpired'
  | 'autoRenewalCancellationInvalid'
  | 'autoRenewalRevocationNotSupported'
  | 'invalidProfile'
  | 'badRevocationReason'
  | 'policyViolation'
  | 'nameConstraintViolation'
  | 'hierarchyViolation'
  // what validation found
  | 'caa'
  | 'dns'
  | 'connection'
  | 'tls'
  | 'incorrectResponse'
  // what the platform could not do
  | 'rateLimited'
  | 'unavailable'
  | 'internal';

/** One part of a refusal that concerns one identifier (RFC 8555 §6.7.1). */
export interface Subproblem {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly identifier: { readonly type: string; readonly value: string };
}

/** What a {@link CaError} may carry besides its code and detail. */
export interface CaErrorOptions {
  /** Whole seconds after which a retry is worth while. */
  readonly retryAfter?: number;
  readonly subproblems?: readonly Subproblem[];
  /** Accepted JWS algorithms (RFC 8555 §6.2). */
  readonly algorithms?: readonly string[];
  /** Accepted methods of a known path (RFC 9110 §15.5.6). */
  readonly allow?: readonly string[];
  /** A URL that the answer names as its `instance` or link target. */
  readonly url?: string;
  /** What happened underneath: logged, never answered. */
  readonly cause?: unknown;
}

/**
 * The one error that the domain throws: a stable code and a detail that is safe to show to a stranger.
 *
 * @example
 * throw new CaError('badCsr', 'the CSR names www.example.com, which the order does not have');
 */
export class CaError extends Error {
  override readonly name = 'CaError';
  readonly code: ErrorCode;
  readonly retryAfter: number | undefined;
  readonly subproblems: readonly Subproblem[] | undefined;
  readonly algorithms: readonly string[] | undefined;
  readonly allow: readonly string[] | undefined;
  readonly url: string | undefined;

  constructor(code: ErrorCode, detail: string, options: CaErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfter = options.retryAfter;
    this.subproblems = options.subproblems;
    this.algorithms = options.algorithms;
    this.allow = options.allow;
    this.url = options.url;
  }
}
