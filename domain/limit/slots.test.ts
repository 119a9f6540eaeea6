import fc from 'fast-check';
import { expect, test } from 'vitest';
import { freeSlots, itemSizes, secondsUntilFree, slotsPerItem } from './slots.ts';

test('the items of a cap have as many slots as the cap, and none more than fit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200_000 }), (count) => {
      const sizes = itemSizes({ count, windowUs: 1 });
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(count);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(slotsPerItem);
      expect(Math.min(...sizes)).toBeGreaterThan(0);
    }),
  );
});

test('a slot is free when it was never used or its time is over', () => {
  expect(freeSlots([undefined, 9, 10, 11], 10)).toEqual([0, 1, 2]);
});

test('waiting is told in whole seconds, at least one', () => {
  expect(secondsUntilFree([3_000_001, 5_000_000], 1_000_000)).toBe(3);
  expect(secondsUntilFree([1_000_001], 1_000_000)).toBe(1);
});
