import { CaError } from '../error.ts';
import type { SigningAuthority } from '../issuance/issue.ts';
import { lintTbsCrl } from './crl-lint.ts';
import { buildTbsCrl, crlHeader, signCrl } from './crl.ts';
import type { CrlStore } from './store.ts';

/** A CA's newest CRL, which moves, and each one under its number, which never does. */
export function crlKeys(caId: string, number: bigint): { readonly newest: string; readonly numbered: string } {
  return { newest: newestCrlKey(caId), numbered: `crl/${caId}/${number}.crl` };
}

export function newestCrlKey(caId: string): string {
  return `crl/${caId}.crl`;
}

export const crlValiditySeconds = 24 * 3600;

export interface CrlShelf {
  get(key: string): Promise<{ readonly body: Uint8Array; readonly etag: string } | undefined>;
  /** False when the object is another than `expected` by now. */
  replace(key: string, body: Uint8Array, expected: string | undefined, immutable: boolean): Promise<boolean>;
}

const maxRaces = 10;

/**
 * Builds, lints, signs and stores a CA's full CRL (RFC 5280 §5). The newest name only ever moves to a higher number, however many
 * build at once.
 *
 * @throws {CaError} `internal` when the CRL would break a rule
 */
export async function publishCrl(
  ports: { readonly store: CrlStore; readonly shelf: CrlShelf },
  authority: SigningAuthority,
  now: Date,
): Promise<Uint8Array> {
  const thisUpdate = new Date(Math.floor(now.getTime() / 1000) * 1000);
  const nextUpdate = new Date(thisUpdate.getTime() + crlValiditySeconds * 1000);
  const draft = await ports.store.draft(authority.id, thisUpdate);
  const tbs = buildTbsCrl(authority.issuer, authority.signer.algorithm, {
    number: draft.number,
    thisUpdate,
    nextUpdate,
    entries: draft.entries,
  });
  const [finding] = lintTbsCrl(tbs, { issuer: authority.issuer });
  if (finding !== undefined) throw new CaError('internal', `the CRL would break rule ${finding.rule}`, { cause: finding });
  const crl = await signCrl(authority.signer, tbs);
  const keys = crlKeys(authority.id, draft.number);
  await ports.shelf.replace(keys.numbered, crl, undefined, true);
  for (let race = 0; race < maxRaces; race++) {
    const newest = await ports.shelf.get(keys.newest);
    if (newest !== undefined && crlHeader(newest.body).number > draft.number) break;
    if (await ports.shelf.replace(keys.newest, crl, newest?.etag, false)) break;
  }
  await ports.store.published(authority.id, draft, thisUpdate, nextUpdate);
  return crl;
}
