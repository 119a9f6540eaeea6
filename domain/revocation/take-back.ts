import { bitStringOctets, cursor, DerError, readDer, Tag } from '../asn1/der.ts';
import { CaError } from '../error.ts';
import { refusing } from '../issuance/path-refusal.ts';
import type { IssuerInfo } from '../x509/leaf.ts';
import { assertSigned } from '../x509/path/signature.ts';
import type { CrlEntry } from './crl-entries.ts';
import { maxCrlShards, shardOfUrl, type CrlScope } from './crl-scope.ts';
import { crlHeader } from './crl.ts';
import { publishedEntries } from './published-entries.ts';
import { newestCrlKey, type CrlShelf } from './crl-shelf.ts';
import type { CrlStore } from './store.ts';

const page = 1000;
/** More numbers than CRLs can have been signed beside the newest one that was found. */
const gap = 1000n;

interface LookPorts {
  readonly store: Pick<CrlStore, 'shards' | 'numbers'>;
  readonly shelf: Pick<CrlShelf, 'number'>;
}

/**
 * The CRLs of a CA of which more was published than the database knows of: it was restored from a backup. Shards come first, those among them
 * that the database has never heard of, the complete CRL last.
 */
export async function scopesBehind(ports: LookPorts, caId: string): Promise<readonly CrlScope[]> {
  const known = await ports.store.shards(caId);
  const scopes: CrlScope[] = [...known.map(({ shard }) => ({ caId, shard })), { caId, shard: undefined }];
  // A shard is first published after those before it.
  const last = known.at(-1)?.shard ?? 0;
  for (let shard = last + 1; shard <= last + maxCrlShards; shard++) {
    const unknown = { caId, shard };
    if ((await ports.shelf.number(newestCrlKey(unknown))) === undefined) break;
    scopes.unshift(unknown);
  }
  return behindOf(ports, caId, scopes);
}

/** {@link scopesBehind} of one CRL. */
export async function isBehind(
  ports: Pick<LookPorts, 'shelf'> & { readonly store: Pick<CrlStore, 'numbers'> },
  scope: CrlScope,
): Promise<boolean> {
  return (await behindOf(ports, scope.caId, [scope])).length > 0;
}

/** Numbers are reserved before they are published, so that what is published is looked at first. */
async function behindOf(
  { store, shelf }: Pick<LookPorts, 'shelf'> & { readonly store: Pick<CrlStore, 'numbers'> },
  caId: string,
  scopes: readonly CrlScope[],
): Promise<readonly CrlScope[]> {
  const published = await Promise.all(scopes.map((scope) => shelf.number(newestCrlKey(scope))));
  if (published.every((number) => number === undefined)) return [];
  const reserved = await store.numbers(caId);
  return scopes.filter(({ shard }, index) => (published[index] ?? 0n) > (reserved.get(shard) ?? 0n));
}

/**
 * Takes the revocations of a newest published CRL back into a database that does not know them, and sets its numbers above all that was
 * published. Once interrupted it goes on; what the database knows by itself it keeps.
 *
 * @param authority the CA, whose key must have signed the CRL
 * @returns how many revocations came back
 * @throws {CaError} `internal` when there is no CRL that could be believed
 */
export async function takeBack(
  ports: { readonly store: Pick<CrlStore, 'takeBack' | 'raise' | 'adopt'>; readonly shelf: Pick<CrlShelf, 'get'> },
  authority: { readonly id: string; readonly issuer: IssuerInfo },
  scope: CrlScope,
): Promise<number> {
  const newest = await ports.shelf.get(newestCrlKey(scope));
  if (newest === undefined) throw new CaError('internal', 'the newest CRL is gone');
  assertOurs(newest.body, authority.issuer);
  const { number, point } = crlHeader(newest.body);
  const named = point === undefined ? undefined : shardOfUrl(point, scope.caId);
  // Signed by the CA, and put in another's place.
  if (named !== scope.shard || (point !== undefined && named === undefined))
    throw new CaError('internal', "the published CRL is another's: nothing is taken from it");
  if (point !== undefined && named !== undefined) await ports.store.adopt(scope.caId, { shard: named, url: point });
  let taken = 0;
  let batch: CrlEntry[] = [];
  const flush = async (): Promise<void> => {
    if (batch.length > 0) taken += await ports.store.takeBack(scope, batch);
    batch = [];
  };
  for (const entry of publishedEntries(newest.body)) {
    batch.push(entry);
    if (batch.length === page) await flush();
  }
  await flush();
  await ports.store.raise(scope, number + gap, { published: number, taken });
  return taken;
}

function assertOurs(crl: Uint8Array, issuer: IssuerInfo): void {
  try {
    const outer = cursor(readDer(crl, Number.MAX_SAFE_INTEGER), Tag.sequence);
    const tbs = outer.next(Tag.sequence);
    const algorithm = outer.next(Tag.sequence);
    const signature = bitStringOctets(outer.next(Tag.bitString));
    refusing(() => assertSigned(issuer.spki, algorithm.raw, tbs.raw, signature), 'internal');
  } catch (cause) {
    if (!(cause instanceof DerError) && !(cause instanceof CaError)) throw cause;
    throw new CaError('internal', "the published CRL is not the CA's: nothing is taken from it", { cause });
  }
}
