import { expect, test } from 'vitest';
import type { Caller } from '#domain/access/grant.ts';
import { authentication } from './authentication.ts';

const right = `Bearer ${'r'.repeat(20)}`;
const wrong = `Bearer ${'w'.repeat(20)}`;
const admin: Caller = { id: 'ak-1', name: 'one', grants: [{ role: 'r-admin', type: 'global', id: null }] };

function ports(valid = new Set([right.slice(7)])) {
  const log: string[] = [];
  let now = 0;
  const callerOf = authentication({
    now: () => now,
    callers: {
      async callerOf(token) {
        log.push('lookup');
        await new Promise((resolve) => setImmediate(resolve));
        return valid.has(token) ? admin : undefined;
      },
    },
    limiter: {
      async lease() {
        log.push('lease');
        return { release: async () => void log.push('release') };
      },
      async check() {
        log.push('check');
      },
    },
  });
  return { callerOf, log, valid, advance: (ms: number) => (now += ms) };
}

test('a token that was not seen before is counted before it is looked up, and given back when it is right', async () => {
  const { callerOf, log } = ports();
  expect(await callerOf(right, 'a')).toEqual(admin);
  await expect(callerOf(wrong, 'a')).rejects.toMatchObject({ code: 'unauthenticated' });
  expect(log).toEqual(['lease', 'lookup', 'release', 'lease', 'lookup']);
});

test('a token that was right a moment ago is looked up without a lease; once it is gone it is a guess again', async () => {
  const { callerOf, log, valid, advance } = ports();
  await callerOf(right, 'a');
  await callerOf(right, 'b');
  valid.clear();
  await expect(callerOf(right, 'a')).rejects.toMatchObject({ code: 'unauthenticated' });
  await expect(callerOf(right, 'a')).rejects.toMatchObject({ code: 'unauthenticated' });
  expect(log).toEqual(['lease', 'lookup', 'release', 'check', 'lookup', 'check', 'lookup', 'lease', 'lookup']);
  valid.add(right.slice(7));
  await callerOf(right, 'a');
  advance(300_001);
  log.length = 0;
  await callerOf(right, 'a');
  expect(log[0]).toBe('lease');
});

test('the same token many times at once is one guess', async () => {
  const { callerOf, log } = ports();
  await Promise.all(Array.from({ length: 20 }, () => callerOf(right, 'a')));
  expect(log).toEqual(['lease', 'lookup', 'release']);
});

test('who sends no token, or what is none, guesses nothing', async () => {
  const { callerOf, log } = ports();
  for (const header of [undefined, '', 'Basic abc', 'Bearer short', `Bearer ${'x'.repeat(513)}`])
    await expect(callerOf(header, 'a')).rejects.toMatchObject({ code: 'unauthenticated' });
  expect(log).toEqual([]);
});
