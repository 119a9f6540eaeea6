import { expect, test } from 'vitest';
import { render } from './output.ts';

test('given members without a value, a table shows a dash for each, and programs get what is there', () => {
  const answer = { name: 'www', environment: '', tags: {}, targets: [], owner: null, retries: 0, enabled: false };
  expect(render(answer, 'table', 80).split('\n')).toEqual([
    'name         www',
    'environment  -',
    'tags         -',
    'targets      -',
    'owner        -',
    'retries      0',
    'enabled      false',
  ]);
  expect(render({ items: [answer] }, 'table', 80)).toBe(
    'NAME  ENVIRONMENT  TAGS  TARGETS  OWNER  RETRIES  ENABLED\nwww   -            -     -        -      0        false',
  );
  expect(JSON.parse(render(answer, 'json', 80))).toEqual(answer);
});
