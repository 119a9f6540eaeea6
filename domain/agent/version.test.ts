import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isTooOld, versionOf } from './version.ts';

test.each([
  ['1.4.2', '1.5.0', true],
  ['1.5.0', '1.5.0', false],
  ['1.10.0', '1.9.0', false],
  ['v2.0.0', '1.9.0', false],
  ['1.10', '1.10.0', false],
  ['1', '1.0.0', false],
  // A build before a release is before it (semver.org, §11).
  ['1.5.0-rc.1', '1.5.0', true],
  ['1.5.0+build.7', '1.5.0', false],
  ['', '1.0.0', true],
  ['nightly', '1.0.0', true],
  ['', '', false],
  ['nightly', '', false],
])('given %j and the minimum %j, it is too old: %s', (version, minimum, expected) => {
  expect(isTooOld(version, minimum)).toBe(expected);
});

test('given any text, it is a version or none', () => {
  fc.assert(fc.property(fc.string({ maxLength: 300 }), (text) => [true, false].includes(versionOf(text) !== undefined)));
});
