/** A problem document as stored in an order's or challenge's error (RFC 8555 §6.7; RFC 9457). */
export interface ProblemDocument {
  readonly type: string;
  readonly detail: string;
  readonly status: number;
}

/** The URN of an ACME error. */
export function errorUrn(name: string): string {
  return `urn:ietf:params:acme:error:${name}`;
}
