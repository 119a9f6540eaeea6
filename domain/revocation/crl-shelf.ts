/** A CA's newest CRL, which moves, and each one under its number, which never does. */
export function crlKeys(caId: string, number: bigint): { readonly newest: string; readonly numbered: string } {
  return { newest: newestCrlKey(caId), numbered: `crl/${caId}/${number}.crl` };
}

export function newestCrlKey(caId: string): string {
  return `crl/${caId}.crl`;
}

/** Where CRLs lie for everybody. */
export interface CrlShelf {
  get(key: string): Promise<{ readonly body: Uint8Array; readonly etag: string } | undefined>;
  /** The number of the CRL there, without its body. */
  number(key: string): Promise<bigint | undefined>;
  /** False when the object is another than `expected` by now. */
  replace(
    key: string,
    crl: { readonly body: Uint8Array; readonly number: bigint },
    expected: string | undefined,
    immutable: boolean,
  ): Promise<boolean>;
}
