import fc from 'fast-check';
import { expect, test } from 'vitest';
import { caaRefusal, relevantCaa, type CaaQuestion, type CaaRecord } from './caa.ts';

const accountUri = 'https://pki.example/acme/profile/default/account/acct-1';
const question: CaaQuestion = { wildcard: false, identities: ['ca.example'], accountUri, method: 'http-01' };
const issue = (value: string): CaaRecord => ({ critical: false, tag: 'issue', value });
const issuewild = (value: string): CaaRecord => ({ critical: false, tag: 'issuewild', value });

test('the nearest name with records governs, and nothing above it is asked (RFC 8659 §3)', async () => {
  const asked: string[] = [];
  const records = await relevantCaa('a.b.example.com', async (name) => {
    asked.push(name);
    return name === 'example.com' ? [issue('ca.example')] : [];
  });
  expect(asked).toEqual(['a.b.example.com', 'b.example.com', 'example.com']);
  expect(records).toEqual([issue('ca.example')]);
});

test.each<[string, CaaRecord[]]>([
  ['no records', []],
  ['records that restrict nobody', [{ critical: false, tag: 'iodef', value: 'mailto:a@example.com' }]],
  ['this CA', [issue('ca.example')]],
  ['this CA among others, in capitals', [issue('other.example'), issue(' CA.Example ;')]],
  ['this account', [issue(`ca.example; accounturi=${accountUri}`)]],
  ['this method', [issue('ca.example; validationmethods=dns-01,http-01')]],
  ['another CA for wildcards only', [issue('ca.example'), issuewild('other.example')]],
  ['a parameter of somebody else', [issue('ca.example; x-policy=ev')]],
])('given %s, issuance is permitted', (_, records) => {
  expect(caaRefusal(records, question)).toBeUndefined();
});

test.each<[string, CaaRecord[]]>([
  ['another CA', [issue('other.example')]],
  ['nobody', [issue(';')]],
  ['an empty value', [issue('')]],
  ['another account', [issue(`ca.example; accounturi=${accountUri}0`)]],
  ['another method', [issue('ca.example; validationmethods=dns-01')]],
  ['a method that only begins alike', [issue('ca.example; validationmethods=http-011')]],
  ['parameters that are none', [issue('ca.example; %%%')]],
  ['a critical property that is unknown', [{ critical: true, tag: 'tbs', value: '' }, issue('ca.example')]],
])('given %s, issuance is refused', (_, records) => {
  expect(caaRefusal(records, question)).toBeTypeOf('string');
});

test('issuewild governs wildcards where there is one, issue where there is none (RFC 8659 §4.3)', () => {
  const wild = { ...question, wildcard: true };
  expect(caaRefusal([issue('other.example'), issuewild('ca.example')], wild)).toBeUndefined();
  expect(caaRefusal([issue('ca.example'), issuewild(';')], wild)).toBeTypeOf('string');
  expect(caaRefusal([issue('ca.example')], wild)).toBeUndefined();
});

test('given any value of another CA, nothing in it permits this one', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(caaRefusal([issue(`other.example;${text}`)], question)).toBeTypeOf('string');
    }),
  );
});
