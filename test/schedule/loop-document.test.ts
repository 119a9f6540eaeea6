import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loopPage, withTable } from '../../docs/operator/loop-table.ts';

test('the operators’ table of loops is the one that runs; `node docs/operator/loop-table.ts` writes it', () => {
  const page = readFileSync(loopPage, 'utf8');
  expect(withTable(page)).toBe(page);
});
