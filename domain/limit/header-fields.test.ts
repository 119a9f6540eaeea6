import { expect, test } from 'vitest';
import { rateLimitFields } from './header-fields.ts';

test('the most restrictive policy comes first, in both fields', () => {
  const one = { policy: 'api', quota: 100, windowSeconds: 2, remaining: 40, resetSeconds: 1 };
  expect(rateLimitFields([one, { ...one, policy: 'orders', windowSeconds: 3600, remaining: 3, resetSeconds: 9 }])).toEqual({
    'ratelimit-policy': '"orders";q=100;w=3600, "api";q=100;w=2',
    ratelimit: '"orders";r=3;t=9, "api";r=40;t=1',
  });
  expect(rateLimitFields([])).toEqual({});
});
