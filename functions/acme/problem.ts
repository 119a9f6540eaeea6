import { CaError, type ErrorCode } from '#domain/error.ts';
import { errorUrn } from '#domain/acme/problem-document.ts';

/** RFC 8555 §6.7: the type of each refusal and its status. */
const unavailableSeconds = 5;
const problems: Readonly<Record<ErrorCode, readonly [type: string, status: number]>> = {
  malformed: ['malformed', 400],
  payloadTooLarge: ['malformed', 413],
  unsupportedMediaType: ['malformed', 415],
  notAcceptable: ['malformed', 406],
  methodNotAllowed: ['malformed', 405],
  notFound: ['malformed', 404],
  gone: ['malformed', 404],
  conflict: ['malformed', 409],
  preconditionRequired: ['malformed', 428],
  preconditionFailed: ['malformed', 412],
  idempotencyMismatch: ['malformed', 422],
  badNonce: ['badNonce', 400],
  badSignatureAlgorithm: ['badSignatureAlgorithm', 400],
  badPublicKey: ['badPublicKey', 400],
  unauthenticated: ['unauthorized', 401],
  unauthorized: ['unauthorized', 403],
  accountInactive: ['unauthorized', 401],
  accountDoesNotExist: ['accountDoesNotExist', 400],
  externalAccountRequired: ['externalAccountRequired', 403],
  invalidContact: ['invalidContact', 400],
  unsupportedContact: ['unsupportedContact', 400],
  userActionRequired: ['userActionRequired', 403],
  rejectedIdentifier: ['rejectedIdentifier', 400],
  unsupportedIdentifier: ['unsupportedIdentifier', 400],
  orderNotReady: ['orderNotReady', 403],
  badCsr: ['badCSR', 400],
  alreadyRevoked: ['alreadyRevoked', 400],
  alreadyReplaced: ['alreadyReplaced', 409],
  autoRenewalCanceled: ['autoRenewalCanceled', 403],
  autoRenewalExpired: ['autoRenewalExpired', 403],
  autoRenewalCancellationInvalid: ['autoRenewalCancellationInvalid', 400],
  autoRenewalRevocationNotSupported: ['autoRenewalRevocationNotSupported', 403],
  invalidProfile: ['invalidProfile', 400],
  badRevocationReason: ['badRevocationReason', 400],
  policyViolation: ['rejectedIdentifier', 400],
  hierarchyViolation: ['serverInternal', 500],
  nameConstraintViolation: ['rejectedIdentifier', 403],
  caa: ['caa', 403],
  dns: ['dns', 400],
  connection: ['connection', 400],
  tls: ['tls', 400],
  incorrectResponse: ['incorrectResponse', 403],
  rateLimited: ['rateLimited', 429],
  unavailable: ['serverInternal', 503],
  internal: ['serverInternal', 500],
};

export interface Problem {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The problem document of an error; whatever is not a refusal of ours becomes a bare internal error. */
export function problemOf(error: unknown): Problem {
  const known = error instanceof CaError ? error : new CaError('internal', 'something went wrong on our side');
  const [type, status] = problems[known.code];
  const detail = known.code === 'internal' ? 'something went wrong on our side' : known.message;
  // Whoever is turned away for a while is told for how long (RFC 9110 §15.6.4).
  const retryAfter = known.retryAfter ?? (known.code === 'unavailable' ? unavailableSeconds : undefined);
  const links = [
    ...(known.code === 'rateLimited' ? [`<${known.url ?? 'https://www.rfc-editor.org/rfc/rfc8555#section-6.6'}>;rel="help"`] : []),
    ...(known.code === 'userActionRequired' && known.url !== undefined ? [`<${known.url}>;rel="terms-of-service"`] : []),
  ];
  return {
    status,
    headers: {
      'content-type': 'application/problem+json',
      ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
      ...(known.allow !== undefined && { allow: known.allow.join(', ') }),
      ...(links.length > 0 && { link: links.join(', ') }),
      ...(known.code === 'conflict' && known.url !== undefined && { location: known.url }),
    },
    body: JSON.stringify({
      type: errorUrn(type),
      detail,
      status,
      ...(known.code === 'userActionRequired' && known.url !== undefined && { instance: known.url }),
      ...(known.algorithms !== undefined && { algorithms: known.algorithms }),
      ...(known.subproblems !== undefined && {
        subproblems: known.subproblems.map((part) => ({
          type: errorUrn(problems[part.code][0]),
          detail: part.detail,
          identifier: part.identifier,
        })),
      }),
    }),
  };
}
