/** Why a path is refused; stable, for answers and alarms. */
export type PathFaultCode =
  | 'malformed'
  | 'no_path'
  | 'unsupported_algorithm'
  | 'weak_key'
  | 'bad_signature'
  | 'not_yet_valid'
  | 'expired'
  | 'name_chaining'
  | 'not_a_ca'
  | 'path_length'
  | 'key_usage'
  | 'extended_key_usage'
  | 'name_constraint_violation'
  | 'unknown_critical_extension'
  | 'policy'
  | 'revoked'
  | 'revocation_unknown'
  | 'too_complex';

/** What makes a certificate or a whole path unacceptable; it never leaves this folder, {@link PathResult} does. */
export class PathFault extends Error {
  override readonly name = 'PathFault';
  readonly code: PathFaultCode;

  constructor(code: PathFaultCode, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.code = code;
  }
}
