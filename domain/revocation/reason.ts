/** CRLReason by its name (RFC 5280 §5.3.1), of the reasons that an operator gives. */
export const reasonCode = {
  unspecified: 0,
  keyCompromise: 1,
  caCompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
} as const;
