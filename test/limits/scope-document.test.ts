import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { limitPage, withTable } from '../../docs/operator/limit-table.ts';

test('the operators’ table of limits is the one that is declared; `node docs/operator/limit-table.ts` writes it', () => {
  const page = readFileSync(limitPage, 'utf8');
  expect(withTable(page)).toBe(page);
});
