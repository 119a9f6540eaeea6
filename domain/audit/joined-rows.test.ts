import { expect, test } from 'vitest';
import { framed } from './joined-rows.ts';

test('given a text whose separators put a part of it where the details belong, nothing is certain and nothing is thrown', () => {
  const actor = ['a', 'System', '2026-11-25 00:00:00.12+00', 'config', 'no JSON', '1', 'r'].join('\x1f');
  const events = ['done', actor, 'System', '2026-11-25 00:00:00.12+00', 'config', '{}', '1', 'r', 't'].join('\x1f');
  expect(framed({ hashes: Buffer.alloc(32), places: [[1, 1]], events })).toBeUndefined();
});
