import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limitNames, limitOf, limits, variableOf } from './limits.ts';
import { leaseLifeUs, leaseSize, policyOf, rateOf, tenthOf } from './shape.ts';

test('a bounded rate never gives a window more than the count, also with tokens that were taken in advance', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), (count) => {
      const declaration = limits['ocsp-address'];
      const { burst, intervalUs } = rateOf(declaration, count);
      const windowUs = declaration.windowSeconds * 1_000_000;
      // What is spent within a window was charged within it or a lease's life before.
      const heldUs = burst >= 20 ? leaseLifeUs : 0;
      expect(burst + Math.floor((windowUs + heldUs) / intervalUs)).toBeLessThanOrEqual(count);
    }),
  );
});

test('every rate of the table is never faster than declared', () => {
  for (const name of limitNames) {
    const declaration = limitOf(name);
    if (declaration.kind !== 'burst') continue;
    const { burst, intervalUs } = rateOf(declaration, declaration.count);
    expect([name, intervalUs * declaration.count >= declaration.windowSeconds * 1_000_000]).toEqual([name, true]);
    expect([name, burst]).toEqual([name, declaration.count * (declaration.burstTimes ?? 1)]);
  }
});

test('a process takes at most a tenth of a burst in advance, and only where that is declared', () => {
  expect(leaseSize(limits['api-address'], rateOf(limits['api-address'], 50))).toBe(10);
  expect(leaseSize(limits['api-address'], rateOf(limits['api-address'], 1))).toBe(1);
  expect(leaseSize(limits['acme-new-order'], rateOf(limits['acme-new-order'], 100_000))).toBe(1);
});

test('a process that is alone admits a tenth', () => {
  expect(tenthOf({ intervalUs: 20_000, burst: 100 })).toEqual({ intervalUs: 200_000, burst: 10 });
});

test('policies speak of the burst and its window, strict ones of the count', () => {
  expect(policyOf('api-address', 50)).toEqual({ policy: 'api-address', quota: 100, windowSeconds: 2 });
  expect(policyOf('acme-new-account', 10)).toEqual({ policy: 'acme-new-account', quota: 10, windowSeconds: 10_800 });
});

test('settings and their variables are unique', () => {
  const variables = limitNames.map((name) => variableOf(limits[name].setting));
  expect(new Set(variables).size).toBe(variables.length);
  expect(variableOf('newAccountsPer3Hours')).toBe('LIMIT_NEW_ACCOUNTS_PER_3_HOURS');
  expect(variableOf('openOrders')).toBe('LIMIT_OPEN_ORDERS');
});
