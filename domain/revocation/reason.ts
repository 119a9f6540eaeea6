/** CRLReason by its name (RFC 5280 §5.3.1), of the reasons that an operator gives. */
export const reasonCode = {
  unspecified: 0,
  keyCompromise: 1,
  caCompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  privilegeWithdrawn: 9,
} as const;

/** What revoking with a reason would mean for a certificate that is in a state already. */
export type RevocationStep = 'revoke' | 'done already' | { readonly refused: string };

/**
 * Hold is for what lives, and may become a revocation; keyCompromise may follow any other reason (RFC 5280 §5.3.1). The same once more
 * changes nothing.
 *
 * @param before reason of the revocation there is
 */
export function revocationStep(
  state: 'pending' | 'active' | 'held' | 'revoked' | 'archived',
  before: number | undefined,
  reason: number,
): RevocationStep {
  switch (state) {
    case 'archived':
      return { refused: 'it is archived' };
    case 'pending':
      return reason === reasonCode.certificateHold ? { refused: 'it has no version that could be held' } : 'revoke';
    case 'active':
      return 'revoke';
    case 'held':
      return reason === reasonCode.certificateHold ? 'done already' : 'revoke';
    case 'revoked':
      if (before === reason) return 'done already';
      return reason === reasonCode.keyCompromise ? 'revoke' : { refused: 'it is revoked already' };
  }
}
