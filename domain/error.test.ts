import { expect, test } from 'vitest';
import { CaError } from './error.ts';

test('a refusal carries its code and safe detail, and keeps the cause out of its message', () => {
  const error = new CaError('unavailable', 'the database does not answer', { cause: new Error('connect 10.0.0.1:5432'), retryAfter: 15 });
  expect(error.code).toBe('unavailable');
  expect(error.retryAfter).toBe(15);
  expect(error.message).not.toContain('10.0.0.1');
  expect((error.cause as Error).message).toContain('10.0.0.1');
});
