import { CaError, type ErrorCode } from '#domain/error.ts';
import type { HttpResponse } from '../shared/http.ts';

/** RFC 9457 status and title of each refusal of the control plane. */
const problems: Readonly<Record<ErrorCode, readonly [status: number, title: string]>> = {
  malformed: [400, 'The request is malformed'],
  payloadTooLarge: [413, 'The request is too large'],
  unsupportedMediaType: [415, 'The media type is not supported'],
  notAcceptable: [406, 'No acceptable representation'],
  methodNotAllowed: [405, 'The method is not allowed'],
  notFound: [404, 'Not found'],
  gone: [410, 'Gone'],
  conflict: [409, 'The resource has changed or exists'],
  preconditionRequired: [428, 'The request must be conditional'],
  preconditionFailed: [412, 'The resource has another version by now'],
  idempotencyMismatch: [422, 'The idempotency key belongs to another request'],
  badNonce: [400, 'The request is malformed'],
  badSignatureAlgorithm: [400, 'The request is malformed'],
  badPublicKey: [400, 'The key is not acceptable'],
  unauthenticated: [401, 'Authentication is required'],
  unauthorized: [403, 'Not allowed'],
  accountInactive: [403, 'The account is not active'],
  accountDoesNotExist: [404, 'Not found'],
  externalAccountRequired: [403, 'An external account is required'],
  invalidContact: [400, 'The contact is invalid'],
  unsupportedContact: [400, 'The contact is not supported'],
  userActionRequired: [403, 'An action of the user is required'],
  rejectedIdentifier: [422, 'The policy refuses the name'],
  unsupportedIdentifier: [422, 'The identifier is not supported'],
  orderNotReady: [409, 'The order is not ready'],
  badCsr: [422, 'The CSR is not acceptable'],
  alreadyRevoked: [409, 'The certificate is revoked already'],
  alreadyReplaced: [409, 'The certificate is replaced already'],
  autoRenewalCanceled: [409, 'The order was canceled'],
  autoRenewalExpired: [409, 'The order has expired'],
  autoRenewalCancellationInvalid: [409, 'The order cannot be canceled'],
  autoRenewalRevocationNotSupported: [409, 'The certificate renews itself; cancel its order'],
  invalidProfile: [422, 'There is no such profile'],
  badRevocationReason: [422, 'The revocation reason is not acceptable'],
  policyViolation: [422, 'The policy refuses this'],
  hierarchyViolation: [400, 'The hierarchy does not allow such a CA'],
  nameConstraintViolation: [403, 'The name constraints of a CA refuse a name'],
  caa: [422, 'CAA refuses this'],
  dns: [502, 'DNS failed'],
  connection: [502, 'The connection failed'],
  tls: [502, 'TLS failed'],
  incorrectResponse: [502, 'The response was wrong'],
  rateLimited: [429, 'Too many requests'],
  unavailable: [503, 'Not available at the moment'],
  internal: [500, 'Something went wrong on our side'],
};

/** The problem document of an error; whatever is not a refusal of ours shows nothing of itself. */
export function problemOf(error: unknown, requestId: string | undefined): HttpResponse {
  const known = error instanceof CaError ? error : new CaError('internal', '');
  const [status, title] = problems[known.code];
  return {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...(known.code === 'unauthenticated' && { 'www-authenticate': 'Bearer realm="certctl"' }),
      ...(known.retryAfter !== undefined && { 'retry-after': String(known.retryAfter) }),
      ...(known.allow !== undefined && { allow: known.allow.join(', ') }),
    },
    body: JSON.stringify({
      type: `urn:certctl:error:${known.code}`,
      title,
      status,
      ...(known.code !== 'internal' && { detail: known.message }),
      ...(requestId !== undefined && { instance: `urn:certctl:request:${requestId}` }),
      // Members that clients of rate limited APIs look for (RFC 9457 §3.2 allows them).
      ...(known.code === 'rateLimited' && {
        error: 'rate_limited',
        message: known.message,
        retry_after_seconds: known.retryAfter,
        request_id: requestId,
      }),
    }),
  };
}
