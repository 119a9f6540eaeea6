import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crlUrlBase, maxCrlShards, parseScope, scopeText, shardFor, shardOfUrl, type CrlShard } from './crl-scope.ts';

const base = 'http://pki.test';
const shardsOf = (count: number, from = 0, origin = base): readonly CrlShard[] =>
  Array.from({ length: count }, (_, i) => ({ shard: from + i + 1, url: `${crlUrlBase(origin)}ca/${from + i + 1}.crl` }));
const serial = fc.bigInt({ min: 1n, max: 2n ** 159n - 1n }).map((value) => value.toString(16));

test('given any serials and any number of shards, each serial is in exactly one of them, the same each time it is asked', () => {
  fc.assert(
    fc.property(fc.uniqueArray(serial, { maxLength: 200 }), fc.integer({ min: 1, max: maxCrlShards }), (serials, count) => {
      const shards = shardsOf(count);
      const lists = new Map(shards.map(({ shard }) => [shard, new Set<string>()]));
      for (const one of serials) lists.get(shardFor(one, shards, base)?.shard ?? 0)?.add(one);
      expect([...lists.values()].flatMap((list) => [...list]).sort()).toEqual([...serials].sort());
      for (const one of serials) expect(shardFor(one, [...shards], base)).toBe(shards.find(({ shard }) => lists.get(shard)?.has(one)));
    }),
  );
});

test('given random serials, shards grow alike', () => {
  const shards = shardsOf(8);
  const sizes = new Map<number, number>();
  fc.assert(
    fc.property(fc.bigInt({ min: 2n ** 126n, max: 2n ** 127n - 1n }), (value) => {
      const { shard } = shardFor(value.toString(16), shards, base) ?? { shard: 0 };
      sizes.set(shard, (sizes.get(shard) ?? 0) + 1);
    }),
    { numRuns: 4000, seed: 7 },
  );
  expect([...sizes.keys()].sort()).toEqual(shards.map(({ shard }) => shard));
});

test('without shards, and with none at the present origin, a certificate names the complete CRL', () => {
  expect(shardFor('1', [], base)).toBeUndefined();
  expect(shardFor('1', shardsOf(4, 0, 'http://pki.test.former'), base)).toBeUndefined();
  const moved = [...shardsOf(4, 0, 'http://former.test'), ...shardsOf(4, 4)];
  expect(shardFor('1', moved, base)?.shard).toBeGreaterThan(4);
});

test('a URL names a shard of its own CA alone', () => {
  const [first] = shardsOf(1);
  expect(shardOfUrl(first?.url ?? '', 'ca')).toBe(1);
  for (const url of [`${crlUrlBase(base)}ca.crl`, `${crlUrlBase(base)}other/1.crl`, `${crlUrlBase(base)}ca/0.crl`, `${first?.url}x`, ''])
    expect([url, shardOfUrl(url, 'ca')]).toEqual([url, undefined]);
});

test('a scope is read from its text as it was written, and nothing else is', () => {
  for (const scope of [{ caId: 'issuing-1', shard: undefined }, { caId: 'ica-1', shard: 128 }]) expect(parseScope(scopeText(scope))).toEqual(scope); // prettier-ignore
  for (const text of ['', '/', 'ca/0', 'ca/1/2', 'ca/x', '../ca', 'CA']) expect(() => parseScope(text)).toThrow('no CRL has this name');
});
