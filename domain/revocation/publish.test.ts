import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { signingAuthority, type SigningAuthority } from '../issuance/issue.ts';
import { buildTbsRoot } from '../x509/authority.ts';
import { signCertificate } from '../x509/leaf.ts';
import { softwareSigner } from '../x509/software-signer.ts';
import { crlEntries } from './crl-entries.ts';
import { crlUrlBase } from './crl-scope.ts';
import type { CrlShelf } from './crl-shelf.ts';
import { crlHeader } from './crl.ts';
import { publishCrl } from './publish.ts';
import type { CrlStore } from './store.ts';

const now = new Date(Date.UTC(2026, 10, 26));
const urlOf = (shard: number): string => `${crlUrlBase('http://pki.test')}ca/${shard}.crl`;

async function authority(): Promise<SigningAuthority> {
  const signer = softwareSigner(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  const life = { notBefore: new Date(now.getTime() - 86_400_000), notAfter: new Date(Date.UTC(2036, 0)) };
  const tbs = buildTbsRoot(signer.algorithm, { serial: '1', commonName: 'CA', spki: signer.publicKeySpki, ...life });
  return signingAuthority('ca', [await signCertificate(signer, tbs)], signer);
}

/** A bucket and a database in memory, of a CA with so many shards. */
function ports(count: number): { readonly store: CrlStore; readonly shelf: CrlShelf; readonly order: string[] } {
  const objects = new Map<string, { body: Uint8Array; number: bigint }>();
  const reserved = new Map<number | undefined, bigint>();
  const order: string[] = [];
  const shards = Array.from({ length: count }, (_, i) => ({ shard: i + 1, url: urlOf(i + 1) }));
  const store: Partial<CrlStore> = {
    shards: async () => shards,
    numbers: async () => reserved,
    draft: async ({ shard }) => {
      const number = (reserved.get(shard) ?? 0n) + 1n;
      reserved.set(shard, number);
      return { number, epoch: 0n, entries: crlEntries([]), url: shard === undefined ? undefined : urlOf(shard) };
    },
    published: async () => undefined,
  };
  const shelf: CrlShelf = {
    get: async (key) => {
      const found = objects.get(key);
      return found && { body: found.body, etag: String(found.number) };
    },
    number: async (key) => objects.get(key)?.number,
    replace: async (key, crl, _, immutable) => {
      objects.set(key, crl);
      if (!immutable) order.push(key);
      return true;
    },
  };
  return { store: store as CrlStore, shelf, order };
}

test('given shards that were never published, the first publication of one brings those before it, once, and none after it', async () => {
  const [ca, all] = [await authority(), ports(4)];
  const crl = await publishCrl(all, ca, { caId: 'ca', shard: 3 }, now);
  expect([crlHeader(crl).point, all.order]).toEqual([urlOf(3), [1, 2, 3].map((shard) => `crl/ca/shard-${shard}.crl`)]);
  await publishCrl(all, ca, { caId: 'ca', shard: 3 }, now);
  await publishCrl(all, ca, { caId: 'ca', shard: 4 }, now);
  expect(all.order.slice(3)).toEqual(['crl/ca/shard-3.crl', 'crl/ca/shard-4.crl']);
});

test('given a shard that is none, whatever its number, nothing is published; the complete CRL names no point and brings no shard', async () => {
  const [ca, all] = [await authority(), ports(2)];
  for (const shard of [3, 999_999])
    await expect(publishCrl(all, ca, { caId: 'ca', shard }, now)).rejects.toMatchObject({ code: 'notFound' });
  expect(all.order).toEqual([]);
  const complete = await publishCrl(all, ca, { caId: 'ca', shard: undefined }, now);
  expect([crlHeader(complete).point, all.order]).toEqual([undefined, ['crl/ca.crl']]);
});
