import type { CrlScope } from './crl-scope.ts';

/** The newest CRL of a scope, which moves, and each one under its number, which never does. */
export function crlKeys(scope: CrlScope, number: bigint): { readonly newest: string; readonly numbered: string } {
  return { newest: newestCrlKey(scope), numbered: `${folder(scope)}/${number}.crl` };
}

export function newestCrlKey(scope: CrlScope): string {
  return `${folder(scope)}.crl`;
}

// The complete CRL's numbers lie beside the shards: a shard's name must be no number.
function folder({ caId, shard }: CrlScope): string {
  return shard === undefined ? `crl/${caId}` : `crl/${caId}/shard-${shard}`;
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
