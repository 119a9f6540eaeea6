/** Whether `If-None-Match` names a tag; by weak comparison, for a cache that compresses makes a strong tag weak (RFC 9110 §13.1.2). */
export function isNotModified(ifNoneMatch: string, tag: string): boolean {
  const opaque = (one: string): string => one.trim().replace(/^W\//, '');
  return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((one) => opaque(one) === opaque(tag));
}
