import { expect, test } from 'vitest';
import { accountLabel } from './account-label.ts';

test('the label of an account is that of the draft’s example', () => {
  expect(accountLabel('https://example.com/acme/acct/ExampleAccount')).toBe('_ujmmovf2vn55tgye');
});
