/** The seal of a CA's key names the CA, so that no row can lend its key to another. */
export function caKeyContext(caId: string): string {
  return `ca-key:${caId}`;
}
