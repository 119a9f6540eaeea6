import { expect, test } from 'vitest';
import { leaseLifeUs } from './shape.ts';
import { nextSize, spend, type TokenLease } from './token-lease.ts';

const lease = (left: number, until: number, size = 8): TokenLease => ({ size, left, until });

test('a lease is spent token by token, until none is left or its life is over', () => {
  const held = lease(2, leaseLifeUs);
  expect([spend(held, 0), spend(held, 1), spend(held, 2)]).toEqual([true, true, false]);
  expect(spend(lease(2, leaseLifeUs), leaseLifeUs)).toBe(false);
  expect(spend(undefined, 0)).toBe(false);
});

test('a clock that is set back revives no lease', () => {
  expect(spend(lease(2, 10 * leaseLifeUs), 0)).toBe(false);
});

test('who spends all asks for twice as many, who does not for as many as were needed, who was away for one', () => {
  expect(nextSize(undefined, 100, 0)).toBe(1);
  expect(nextSize(lease(0, leaseLifeUs), 100, 5)).toBe(16);
  expect(nextSize(lease(0, leaseLifeUs), 10, 5)).toBe(10);
  expect(nextSize(lease(5, leaseLifeUs), 100, leaseLifeUs + 5)).toBe(3);
  expect(nextSize(lease(8, leaseLifeUs), 100, leaseLifeUs + 5)).toBe(1);
  expect(nextSize(lease(0, leaseLifeUs), 100, 3 * leaseLifeUs)).toBe(1);
});
