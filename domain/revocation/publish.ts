import { CaError } from '../error.ts';
import type { SigningAuthority } from '../issuance/issue.ts';
import { lintTbsCrl } from './crl-lint.ts';
import type { CrlScope } from './crl-scope.ts';
import { buildTbsCrl, crlHeader, signCrl } from './crl.ts';
import type { CrlStore } from './store.ts';
import { crlKeys, newestCrlKey, type CrlShelf } from './crl-shelf.ts';
import { isBehind, scopesBehind, takeBack } from './take-back.ts';

export const crlValiditySeconds = 24 * 3600;

const maxRaces = 10;

interface Ports {
  readonly store: CrlStore;
  readonly shelf: CrlShelf;
}

/**
 * Builds, lints, signs and stores one CRL of a CA (RFC 5280 §5). The newest name only ever moves to a higher number, however many
 * build at once. A database that is behind what was published first takes back what it does not know.
 *
 * @throws {CaError} `notFound` for a shard that is none, `internal` when the CRL would break a rule, or what was published cannot be believed
 */
export async function publishCrl(ports: Ports, authority: SigningAuthority, scope: CrlScope, now: Date): Promise<Uint8Array> {
  for (const behind of await behindThis(ports, scope)) await takeBack(ports, authority, behind);
  for (const below of await unpublishedBelow(ports, scope)) await publishOne(ports, authority, below, now);
  return publishOne(ports, authority, scope, now);
}

async function publishOne(ports: Ports, authority: SigningAuthority, scope: CrlScope, now: Date): Promise<Uint8Array> {
  const thisUpdate = new Date(Math.floor(now.getTime() / 1000) * 1000);
  const nextUpdate = new Date(thisUpdate.getTime() + crlValiditySeconds * 1000);
  const draft = await ports.store.draft(scope, thisUpdate);
  const tbs = buildTbsCrl(authority.issuer, authority.signer.algorithm, {
    number: draft.number,
    thisUpdate,
    nextUpdate,
    entries: draft.entries,
    point: draft.url,
  });
  const [finding] = lintTbsCrl(tbs, { issuer: authority.issuer, point: draft.url });
  if (finding !== undefined) throw new CaError('internal', `the CRL would break rule ${finding.rule}`, { cause: finding });
  const crl = await signCrl(authority.signer, tbs);
  const numbered = { body: crl, number: draft.number };
  const keys = crlKeys(scope, draft.number);
  await ports.shelf.replace(keys.numbered, numbered, undefined, true);
  for (let race = 0; race < maxRaces; race++) {
    const newest = await ports.shelf.get(keys.newest);
    if (newest !== undefined && crlHeader(newest.body).number > draft.number) break;
    if (await ports.shelf.replace(keys.newest, numbered, newest?.etag, false)) break;
  }
  await ports.store.published(scope, draft, thisUpdate, nextUpdate);
  return crl;
}

/**
 * Shards before one that were never published, if that one never was: they are first published one after the other, so that whoever looks for
 * those that a database does not know misses none.
 *
 * @throws {CaError} `notFound`
 */
async function unpublishedBelow({ store, shelf }: Ports, { caId, shard }: CrlScope): Promise<readonly CrlScope[]> {
  if (shard === undefined) return [];
  const known = await store.shards(caId);
  // What a stranger names may be any number.
  if (!known.some((other) => other.shard === shard)) throw new CaError('notFound', 'no such CRL');
  const isPublished = async (scope: CrlScope): Promise<boolean> => (await shelf.number(newestCrlKey(scope))) !== undefined;
  if (await isPublished({ caId, shard })) return [];
  const below: CrlScope[] = [];
  for (const other of known.filter((candidate) => candidate.shard < shard).reverse()) {
    const scope = { caId, shard: other.shard };
    if (await isPublished(scope)) break;
    below.unshift(scope);
  }
  return below;
}

/** The complete CRL lists what any shard lists, so that none of them may be ahead of the database. */
async function behindThis(ports: Ports, scope: CrlScope): Promise<readonly CrlScope[]> {
  if (scope.shard === undefined) return scopesBehind(ports, scope.caId);
  return (await isBehind(ports, scope)) ? [scope] : [];
}
