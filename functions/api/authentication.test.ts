import { expect, test } from 'vitest';
import type { Caller } from '#domain/access/grant.ts';
import { callingPrincipal, type IamPrincipal } from '#domain/access/iam-principal.ts';
import { CaError } from '#domain/error.ts';
import { authentication, credentialOf } from './authentication.ts';

const right = { token: 'r'.repeat(20) };
const wrong = { token: 'w'.repeat(20) };
const principal = (name: string): IamPrincipal => callingPrincipal(`arn:aws:sts::111122223333:assumed-role/${name}/session`)!;
const admin: Caller = { id: 'ak-1', name: 'one', grants: [{ role: 'r-admin', type: 'global', id: null }] };

function ports(valid = new Set([right.token, principal('mapped').arn])) {
  const log: string[] = [];
  let now = 0;
  let refused = false;
  const callerOf = authentication({
    now: () => now,
    callers: {
      async callerOf(token) {
        log.push('lookup');
        await new Promise((resolve) => setImmediate(resolve));
        return valid.has(token) ? admin : undefined;
      },
      async mapped({ arn }) {
        log.push('lookup');
        return valid.has(arn) ? admin : undefined;
      },
    },
    limiter: {
      async lease() {
        log.push('lease');
        return { release: async () => void log.push('release') };
      },
      async check() {
        log.push('check');
        if (refused) throw new CaError('rateLimited', 'too many');
      },
    },
  });
  return { callerOf, log, valid, advance: (ms: number) => (now += ms), refuse: () => (refused = true) };
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
  expect(log).toEqual(['lease', 'lookup', 'release', 'lookup', 'check', 'lookup', 'check', 'lease', 'lookup']);
  valid.add(right.token);
  await callerOf(right, 'a');
  advance(300_001);
  log.length = 0;
  await callerOf(right, 'a');
  expect(log[0]).toBe('lease');
});

test('a token that was right a moment ago is refused all the same while its address has failed too often', async () => {
  const { callerOf, refuse } = ports();
  await callerOf(right, 'a');
  refuse();
  await expect(callerOf(right, 'a')).rejects.toMatchObject({ code: 'rateLimited' });
});

test('the same token many times at once is one guess', async () => {
  const { callerOf, log } = ports();
  await Promise.all(Array.from({ length: 20 }, () => callerOf(right, 'a')));
  expect(log).toEqual(['lease', 'lookup', 'release']);
});

test('who sends no token, or what is none, guesses nothing', async () => {
  const { callerOf, log } = ports();
  for (const authorization of [undefined, '', 'Basic abc', 'Bearer short', `Bearer ${'x'.repeat(513)}`])
    await expect(callerOf(credentialOf({ headers: { authorization } }), 'a')).rejects.toMatchObject({ code: 'unauthenticated' });
  expect(log).toEqual([]);
});

test('an AWS identity without a mapping is refused and counted like a wrong token, one with a mapping is somebody', async () => {
  const { callerOf, log } = ports();
  expect(await callerOf({ principal: principal('mapped') }, 'a')).toEqual(admin);
  const refusal = await callerOf({ principal: principal('stranger') }, 'a').catch((error: unknown) => error);
  const wrongToken = await callerOf(wrong, 'a').catch((error: unknown) => error);
  expect(refusal).toEqual(wrongToken);
  expect(log).toEqual(['lease', 'lookup', 'release', 'lease', 'lookup', 'lease', 'lookup']);
});

test('behind the authorizer a token counts for nothing, and an identity that a header claims counts nowhere', () => {
  const headers = { authorization: `Bearer ${right.token}`, 'x-amzn-iam-user-arn': 'arn:aws:iam::111122223333:user/admin' };
  expect(credentialOf({ headers })).toEqual(right);
  expect(credentialOf({ headers, iam: { principal: principal('mapped') } })).toEqual({ principal: principal('mapped') });
  expect(credentialOf({ headers, iam: { principal: undefined } })).toBeUndefined();
});
