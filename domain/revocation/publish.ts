import { CaError } from '../error.ts';
import type { SigningAuthority } from '../issuance/issue.ts';
import { lintTbsCrl } from './crl-lint.ts';
import { buildTbsCrl, crlHeader, signCrl } from './crl.ts';
import type { CrlStore } from './store.ts';
import { crlKeys, type CrlShelf } from './crl-shelf.ts';
import { isBehind, takeBack } from './take-back.ts';

export const crlValiditySeconds = 24 * 3600;

const maxRaces = 10;

/**
 * Builds, lints, signs and stores a CA's full CRL (RFC 5280 §5). The newest name only ever moves to a higher number, however many
 * build at once. A database that is behind what was published first takes back what it does not know.
 *
 * @throws {CaError} `internal` when the CRL would break a rule, or what was published cannot be believed
 */
export async function publishCrl(
  ports: { readonly store: CrlStore; readonly shelf: CrlShelf },
  authority: SigningAuthority,
  now: Date,
): Promise<Uint8Array> {
  const thisUpdate = new Date(Math.floor(now.getTime() / 1000) * 1000);
  const nextUpdate = new Date(thisUpdate.getTime() + crlValiditySeconds * 1000);
  if (await isBehind(ports, authority.id)) await takeBack(ports, authority);
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
  const numbered = { body: crl, number: draft.number };
  const keys = crlKeys(authority.id, draft.number);
  await ports.shelf.replace(keys.numbered, numbered, undefined, true);
  for (let race = 0; race < maxRaces; race++) {
    const newest = await ports.shelf.get(keys.newest);
    if (newest !== undefined && crlHeader(newest.body).number > draft.number) break;
    if (await ports.shelf.replace(keys.newest, numbered, newest?.etag, false)) break;
  }
  await ports.store.published(authority.id, draft, thisUpdate, nextUpdate);
  return crl;
}
