import { bitStringOctets, cursor, DerError, readDer, Tag } from '../asn1/der.ts';
import { CaError } from '../error.ts';
import { refusing } from '../issuance/path-refusal.ts';
import type { IssuerInfo } from '../x509/leaf.ts';
import { assertSigned } from '../x509/path/signature.ts';
import type { CrlEntry } from './crl-entries.ts';
import { crlHeader } from './crl.ts';
import { publishedEntries } from './published-entries.ts';
import { newestCrlKey, type CrlShelf } from './crl-shelf.ts';
import type { CrlStore } from './store.ts';

const page = 1000;
/** More numbers than CRLs can have been signed beside the newest one that was found. */
const gap = 1000n;

/**
 * Whether more was published than the database knows of: it was restored from a backup. Numbers are reserved before they are published, so
 * the published one must be looked at first.
 */
export async function isBehind(
  ports: { readonly store: Pick<CrlStore, 'number'>; readonly shelf: Pick<CrlShelf, 'number'> },
  caId: string,
): Promise<boolean> {
  const published = await ports.shelf.number(newestCrlKey(caId));
  return published !== undefined && published > (await ports.store.number(caId));
}

/**
 * Takes the revocations of a CA's newest published CRL back into a database that does not know them, and sets its numbers above all that was
 * published. Once interrupted it goes on; what the database knows by itself it keeps.
 *
 * @param authority the CA, whose key must have signed the CRL
 * @returns how many revocations came back
 * @throws {CaError} `internal` when there is no CRL that could be believed
 */
export async function takeBack(
  ports: { readonly store: Pick<CrlStore, 'takeBack' | 'raise'>; readonly shelf: Pick<CrlShelf, 'get'> },
  authority: { readonly id: string; readonly issuer: IssuerInfo },
): Promise<number> {
  const newest = await ports.shelf.get(newestCrlKey(authority.id));
  if (newest === undefined) throw new CaError('internal', 'the newest CRL is gone');
  assertOurs(newest.body, authority.issuer);
  let taken = 0;
  let batch: CrlEntry[] = [];
  const flush = async (): Promise<void> => {
    if (batch.length > 0) taken += await ports.store.takeBack(authority.id, batch);
    batch = [];
  };
  for (const entry of publishedEntries(newest.body)) {
    batch.push(entry);
    if (batch.length === page) await flush();
  }
  await flush();
  const { number } = crlHeader(newest.body);
  await ports.store.raise(authority.id, number + gap, { published: number, taken });
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
