import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CaError } from '../error.ts';
import type { Profile } from '../issuance/profile.ts';
import {
  assertRenewable,
  autoRenewalObject,
  dueNumber,
  firstValidity,
  keptAutoRenewal,
  nextPublication,
  readAutoRenewal,
  renewalRules,
  validityOf,
  type AutoRenewal,
} from './auto-renewal.ts';

const now = Date.parse('2016-01-09T12:00:00Z');
const day = 86_400;
const rules = { minLifetime: day, maxDuration: 365 * day, allowCertificateGet: true };
const profile = (over: Partial<Profile> = {}): Profile =>
  ({ autoRenewal: rules, validitySeconds: 10 * day, authMode: 'challenge', caaIdentities: [], ...over }) as Profile;
const asked = { 'start-date': '2016-01-10T00:00:00Z', 'end-date': '2016-01-20T00:00:00Z', lifetime: 4 * day, 'lifetime-adjust': 3 * day };
const read = (over: object = {}, of = profile(), beside: object = {}): AutoRenewal =>
  readAutoRenewal({ ...beside, 'auto-renewal': { ...asked, ...over } }, of, now)!;
const refusal = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof CaError) return error.code;
    throw error;
  }
  return 'none';
};

test('given the order of the RFC’s example, its certificates are valid as the RFC’s table says (RFC 8739 §3.5)', () => {
  const renewal = read();
  const { notBefore: first } = firstValidity(renewal, now);
  const table = [0, 1, 2].map((number) => {
    const { notBefore, notAfter } = validityOf(renewal, first, number);
    return `${notBefore.toISOString().slice(0, 10)} ${notAfter.toISOString().slice(0, 10)}`;
  });
  expect(table).toEqual(['2016-01-10 2016-01-14', '2016-01-11 2016-01-18', '2016-01-15 2016-01-20']);
  expect(nextPublication(renewal, first, 1)).toEqual(new Date('2016-01-15T00:00:00Z'));
  expect(nextPublication(renewal, first, 2)).toBeUndefined();
});

test('given no adjustment or a small one, half a lifetime is taken, rounded up; given more than a lifetime, one', () => {
  const adjusted = (over: object): number => read(over).lifetimeAdjust;
  expect(adjusted({ 'lifetime-adjust': undefined })).toBe(2 * day);
  expect(adjusted({ 'lifetime-adjust': 1, lifetime: 2 * day + 1 })).toBe(day + 1);
  expect(adjusted({ 'lifetime-adjust': 100 * day })).toBe(4 * day);
  expect(read({ 'lifetime-adjust': 4 * day }, profile({ validitySeconds: 7 * day })).lifetimeAdjust).toBe(3 * day);
});

test('given a start that has passed, the schedule begins when the certificate is issued', () => {
  const renewal = read({ 'start-date': '2016-01-01T00:00:00Z' });
  expect(firstValidity(renewal, now + 1234).notBefore).toEqual(new Date(now + 1000));
});

test.each<[string, () => unknown]>([
  ['a profile that renews nothing', () => read({}, profile({ autoRenewal: undefined }))],
  ['notBefore beside it', () => read({}, profile(), { notBefore: '2016-01-10T00:00:00Z' })],
  ['notAfter beside it', () => read({}, profile(), { notAfter: '2016-01-12T00:00:00Z' })],
  ['no object', () => readAutoRenewal({ 'auto-renewal': [] }, profile(), now)],
  ['no end', () => read({ 'end-date': undefined })],
  ['an end that is no time', () => read({ 'end-date': '2016-01-20' })],
  ['an end that has passed', () => read({ 'end-date': '2016-01-09T00:00:00Z' })],
  ['an end too near', () => read({ 'end-date': '2016-01-10T23:59:59Z' })],
  ['an end too far', () => read({ 'end-date': '2017-01-10T00:00:00Z' })],
  ['a start too far', () => read({ 'start-date': '2016-01-10T12:00:01Z' })],
  ['no lifetime', () => read({ lifetime: undefined })],
  ['a lifetime too short', () => read({ lifetime: day - 1 })],
  ['a lifetime that the profile’s certificates cannot have', () => read({ lifetime: 7 * day })],
  ['a lifetime of parts of seconds', () => read({ lifetime: day + 0.5 })],
  ['a lifetime in text', () => read({ lifetime: '345600' })],
  ['a negative adjustment', () => read({ 'lifetime-adjust': -1 })],
  ['a wish for GET that is no boolean', () => read({ 'allow-certificate-get': 'yes' })],
])('given %s, the order is malformed', (_, work) => {
  expect(refusal(work)).toBe('malformed');
});

test('GET is allowed where order and profile both say so', () => {
  const got = (over: object, of = profile()): boolean => read(over, of).allowCertificateGet;
  expect([got({}), got({ 'allow-certificate-get': true }), got({ 'allow-certificate-get': false })]).toEqual([false, true, false]);
  expect(got({ 'allow-certificate-get': true }, profile({ autoRenewal: { ...rules, allowCertificateGet: false } }))).toBe(false);
});

test('given a profile that was changed since the order, what it does not allow any more is not renewed', () => {
  const renewal = read();
  const judged = (over: Partial<Profile>, fresh = false): string => refusal(() => assertRenewable(renewal, profile(over), fresh));
  expect(judged({})).toBe('none');
  expect(judged({ autoRenewal: undefined })).toBe('unauthorized');
  expect(judged({ validitySeconds: 6 * day })).toBe('unauthorized');
  expect(judged({ autoRenewal: { ...rules, minLifetime: 5 * day } })).toBe('unauthorized');
});

test('where CAA records count, orders end within eight hours, and nothing is issued on older proofs (RFC 8659)', () => {
  const checked = profile({ caaIdentities: ['ca.example'], autoRenewal: { ...rules, minLifetime: 60 } });
  expect(renewalRules(checked)?.maxDuration).toBe(8 * 3600);
  const ending = (end: string): AutoRenewal => read({ 'start-date': undefined, 'end-date': end, lifetime: 60 }, checked);
  expect(refusal(() => ending('2016-01-09T20:00:01Z'))).toBe('malformed');
  const renewal = ending('2016-01-09T20:00:00Z');
  expect(refusal(() => assertRenewable(renewal, checked, false))).toBe('caa');
  expect(refusal(() => assertRenewable(renewal, checked, true))).toBe('none');
  const trusting = { ...checked, authMode: 'trust_authenticated' as const };
  expect([renewalRules(trusting)?.maxDuration, refusal(() => assertRenewable(renewal, trusting, false))]).toEqual([365 * day, 'none']);
});

const orders = fc
  .record({
    lifetime: fc.integer({ min: day, max: 6 * day }),
    adjust: fc.integer({ min: 0, max: 20 * day }),
    duration: fc.integer({ min: day, max: 364 * day }),
    start: fc.option(fc.integer({ min: -5 * day, max: day })),
  })
  .map(({ lifetime, adjust, duration, start }) => {
    const at = (seconds: number): string => new Date(now + seconds * 1000).toISOString();
    return read({
      lifetime,
      'lifetime-adjust': adjust,
      'start-date': start === null ? undefined : at(start),
      'end-date': at(Math.max(start ?? 0, 0) + duration),
    });
  });

test('whatever an order asks for: what is due at any moment is valid then, no longer than the profile allows, and never past the end', () => {
  fc.assert(
    fc.property(orders, fc.double({ min: 0, max: 1, noNaN: true }), (renewal, part) => {
      const { notBefore: first } = firstValidity(renewal, now);
      const end = renewal.endDate.getTime();
      const moment = Math.min(Math.floor(first.getTime() + part * (end - first.getTime())), end - 1);
      const number = dueNumber(renewal, first, moment);
      const { notBefore, notAfter } = validityOf(renewal, first, number);
      expect(notBefore.getTime()).toBeLessThanOrEqual(moment);
      expect(notAfter.getTime()).toBeGreaterThan(moment);
      expect(notAfter.getTime()).toBeLessThanOrEqual(renewal.endDate.getTime());
      expect(notBefore.getTime()).toBeGreaterThanOrEqual(Math.min(first.getTime(), moment - 10 * day * 1000));
      expect(notAfter.getTime() - notBefore.getTime()).toBeLessThanOrEqual(10 * day * 1000);
      // the next one comes half a nominal lifetime before this one ends, at the latest
      const next = nextPublication(renewal, first, number);
      if (next === undefined) expect(notAfter).toEqual(renewal.endDate);
      else expect(next.getTime()).toBeLessThanOrEqual(notAfter.getTime() - (renewal.lifetime * 1000) / 2);
    }),
  );
});

test('what is kept of an order is read back as it was', () => {
  fc.assert(
    fc.property(orders, (renewal) => {
      expect(keptAutoRenewal(autoRenewalObject(renewal))).toEqual(renewal);
    }),
  );
});

test('given anything in place of the object, it is read or refused as malformed', () => {
  fc.assert(
    fc.property(fc.anything(), (given) => {
      expect(['none', 'malformed']).toContain(refusal(() => readAutoRenewal({ 'auto-renewal': given }, profile(), now)));
    }),
  );
});
