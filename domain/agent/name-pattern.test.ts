import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nameFits } from './name-pattern.ts';

test.each([
  ['web-1', undefined, true],
  ['web-1', 'web-1', true],
  ['web-1', 'web-*', true],
  ['web-1', '*', true],
  ['web-1', '*-1', true],
  ['web-1.eu', 'web-*.eu', true],
  ['web-1.us', 'web-*.eu', false],
  ['web', 'web-*', false],
  ['aba', 'ab*ba', false],
  ['abba', 'ab*ba', true],
  ['axbxc', 'a*b*c', true],
  ['acb', 'a*b*c', false],
] as const)('%s and the pattern %s: %s', (name, pattern, fits) => expect(nameFits(name, pattern)).toBe(fits));

test('a pattern means what the regular expression means', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 });
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 });
  fc.assert(fc.property(letters, pattern, (name, one) => nameFits(name, one) === new RegExp(`^${one.replaceAll('*', '.*')}$`).test(name)));
});
