import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { openApi } from '#contract/openapi.ts';
import { routes } from '#contract/routes.ts';
import { apiPages } from '../../docs/reference/api-pages.ts';
import { clientPages } from '../../docs/reference/client-pages.ts';

test('the OpenAPI document is valid by a validator that knows nothing of it', async () => {
  const result = await new Validator().validate(openApi('1.0.0'));
  expect([result.valid, result.errors]).toEqual([true, undefined]);
});

test('the pages that the contract makes are fresh: run node docs/reference/api-pages.ts and client-pages.ts', async () => {
  for (const [file, text] of Object.entries({ ...(await apiPages()), ...(await clientPages()) }))
    expect(readFileSync(file, 'utf8')).toBe(text);
});

test('no two routes share an operation, a command, or a method and path', () => {
  for (const key of ['operation', 'command', 'place'] as const) {
    const values = routes.map(({ route }) => (key === 'place' ? `${route.method} ${route.path.replace(/\{\w+\}/g, '{}')}` : route[key]));
    expect(values.filter((value, index) => value !== undefined && values.indexOf(value) !== index)).toEqual([]);
  }
});
