import { CaError, type ErrorCode } from '../error.ts';
import { PathFault, type PathFaultCode } from '../x509/path/fault.ts';

/** What a refusal of the path validator is to who asked for a certificate. */
const codes: Readonly<Partial<Record<PathFaultCode, ErrorCode>>> = {
  name_constraint_violation: 'nameConstraintViolation',
  malformed: 'malformed',
  // The CA's own state, not the request: it may change.
  expired: 'unavailable',
  not_yet_valid: 'unavailable',
};

/**
 * Runs a check of the path validator and turns its refusal into the one error of the domain; the fault's code begins the detail.
 *
 * @param code one for all refusals
 * @throws {CaError} `nameConstraintViolation`, `policyViolation`, `unavailable`, `malformed`
 */
export function refusing<T>(check: () => T, code?: ErrorCode): T {
  try {
    return check();
  } catch (cause) {
    if (!(cause instanceof PathFault)) throw cause;
    throw new CaError(code ?? codes[cause.code] ?? 'policyViolation', `${cause.code}: ${cause.message}`, { cause });
  }
}
