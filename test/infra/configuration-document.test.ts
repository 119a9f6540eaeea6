import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { configurationPage, configurationTable, withTable } from '../../docs/operator/configuration-table.ts';

test('the page of settings is the schema’s; `node docs/operator/configuration-table.ts` writes it', () => {
  const page = readFileSync(configurationPage, 'utf8');
  expect(page).toBe(withTable(page));
});

test('every setting says what it means, unless its parent does', () => {
  const silent = configurationTable()
    .split('\n')
    .filter((row) => row.endsWith('|  |'))
    .map((row) => row.split('|')[1]?.trim());
  expect(silent).toEqual(['`existingDatabase.vpc.vpcId`', '`vpc.vpcId`', '`vpc.subnetIds`']);
});
