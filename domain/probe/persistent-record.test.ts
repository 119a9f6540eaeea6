import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hashedAccountUri, provenUntil, type PersistentQuestion } from './persistent-record.ts';
import { ProbeError } from './probe.ts';

// draft-ietf-acme-dns-persist-02 §10.2
const accountUri = 'https://ca.example/acct/123';
const accountHashPrefix = 'https://ca.example/account-hash/';
const thumbprint = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs';
const hashed = `${accountHashPrefix}sha-256/5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw`;
const everywhere = `${accountHashPrefix}sha-256/NpDnSwUthQK8zCgFdefYxAdAVPnygMLbs9US6oO-5ug`;
const question: PersistentQuestion = {
  name: 'example.com',
  wildcard: false,
  issuers: ['authority.example', 'ca.example.net'],
  accountUri,
  accountHashPrefix,
  thumbprints: [thumbprint],
};
const now = Date.parse('2026-01-01T00:00:00Z');
const later = 1_893_456_000;

function fault(texts: readonly string[], asked: PersistentQuestion = question): string {
  try {
    provenUntil(texts, asked, now);
  } catch (error) {
    if (error instanceof ProbeError) return error.code;
    throw error;
  }
  return 'none';
}

test('the hashed account URIs are those of the draft’s example', () => {
  expect(hashedAccountUri(accountHashPrefix, 'example.com', thumbprint, accountUri)).toBe(hashed);
  expect(hashedAccountUri(accountHashPrefix, '*', thumbprint, accountUri)).toBe(everywhere);
});

test.each([
  ['bound to the domain', `authority.example; accounturi=${hashed}`],
  ['for every domain', `authority.example; accounturi=${everywhere}`],
  ['of an earlier draft, with the account URL', `authority.example; accounturi=${accountUri}`],
  ['for another of the CA’s names, in capitals', `CA.Example.NET;accounturi=${hashed}`],
  ['with parameters that nobody knows', `authority.example; accounturi=${hashed}; colour=blue`],
  ['with an unknown policy', `authority.example; accounturi=${hashed}; policy=none`],
])('a record %s proves the name without end', (_, text) => {
  expect(provenUntil(['something else', text], question, now)).toBeUndefined();
});

test('a record that was made with an earlier key of the account proves the name (§4.2)', () => {
  expect(fault([`authority.example; accounturi=${hashed}`], { ...question, thumbprints: ['A'.repeat(43), thumbprint] })).toBe('none');
});

test.each([
  ['there is none', [], 'unauthorized'],
  ['it is for another CA', [`other.example; accounturi=${hashed}`], 'unauthorized'],
  ['it is for another account', [`authority.example; accounturi=${hashed.slice(0, -1)}A`], 'unauthorized'],
  ['the account differs in case', [`authority.example; accounturi=${accountUri.toUpperCase()}`], 'unauthorized'],
  ['it has expired', [`authority.example; accounturi=${hashed}; persistUntil=${now / 1000}`], 'unauthorized'],
  ['it names no account', ['authority.example'], 'malformed'],
  ['it has a parameter twice', [`authority.example; accounturi=${hashed}; accounturi=${accountUri}`], 'malformed'],
  ['its end is no number', [`authority.example; accounturi=${hashed}; persistUntil=tomorrow`], 'malformed'],
  ['it follows no grammar', [`authority.example; accounturi=${hashed}; %%`], 'unauthorized'],
])('nothing is proven when %s', (_, texts, code) => {
  expect(fault(texts)).toBe(code);
});

test('a wildcard wants policy=wildcard, in whatever case (§5)', () => {
  const wildcard = { ...question, wildcard: true };
  expect(fault([`authority.example; accounturi=${hashed}`], wildcard)).toBe('unauthorized');
  expect(fault([`authority.example; accounturi=${hashed}; policy=WildCard`], wildcard)).toBe('none');
});

test('of several records that prove the name, the one that lasts longest counts', () => {
  const record = (seconds: number): string => `authority.example; accounturi=${hashed}; persistUntil=${seconds}`;
  expect(provenUntil([record(later), record(later + 5), record(1)], question, now)).toEqual(new Date((later + 5) * 1000));
  expect(provenUntil([record(later), `authority.example; accounturi=${hashed}`], question, now)).toBeUndefined();
});

test('given any text, it proves nothing, and its refusal is one of ours', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 80 }), { maxLength: 5 }), (texts) => {
      expect(['unauthorized', 'malformed']).toContain(fault([...texts, ...texts.map((text) => `authority.example;${text}`)]));
    }),
  );
});
