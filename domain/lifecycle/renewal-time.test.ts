import fc from 'fast-check';
import { expect, test } from 'vitest';
import { renewalTime, suggestedWindow } from './renewal-time.ts';

const day = 86_400;
const lived = (seconds: number): { notBefore: Date; notAfter: Date } => ({
  notBefore: new Date('2026-01-01T00:00:00Z'),
  notAfter: new Date(Date.parse('2026-01-01T00:00:00Z') + seconds * 1000),
});

test.each([
  ['90 days and a window of 30', 90 * day, 30, 30 * day],
  ['90 days and a window of 10', 90 * day, 10, 10 * day],
  ['47 days and a window of 30: a third', 47 * day, 30, (47 * day) / 3],
  ['6 days: half', 6 * day, 30, 3 * day],
  ['an hour: half', 3600, 30, 1800],
  ['a year and a window of 30', 365 * day, 30, 30 * day],
  ['90 days and a window of one: as the policy wants it', 90 * day, 1, day],
])('given %s, the middle of the window lies so long before the end', (_of, seconds, windowDays, lead) => {
  const life = lived(seconds);
  const { start, end } = suggestedWindow(life, windowDays);
  const middle = (start.getTime() + end.getTime()) / 2;
  expect(Math.abs(life.notAfter.getTime() - lead * 1000 - middle)).toBeLessThanOrEqual(1000);
  // Two hundredths of its life, or half of what is left.
  expect(Math.abs(end.getTime() - start.getTime() - Math.min(seconds * 20, lead * 500))).toBeLessThanOrEqual(1000);
});

test('given any life, policy and draw, the window has whole seconds and ends before the certificate does, and the renewal lies in it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 300, max: 400 * day }),
      fc.integer({ min: 1, max: 365 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (seconds, windowDays, spread) => {
        const life = lived(seconds);
        const { start, end } = suggestedWindow(life, windowDays);
        expect([start.getTime() % 1000, end.getTime() % 1000]).toEqual([0, 0]);
        expect(end.getTime()).toBeGreaterThan(start.getTime());
        expect(end.getTime()).toBeLessThan(life.notAfter.getTime());
        const at = renewalTime(life, windowDays, spread).getTime();
        expect(at >= start.getTime() && at < end.getTime()).toBe(true);
      },
    ),
  );
});
