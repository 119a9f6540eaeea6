import fc from 'fast-check';
import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { CaError } from '../error.ts';
import { parseObject } from '../json/strict.ts';
import { readContacts } from './contact.ts';
import { readBinding } from './eab.ts';
import { readJwk } from './jwk.ts';
import { readJws, readPayload } from './jws.ts';
import { makeNonce, nonceIsAuthentic, nonceKeyDay, nonceLifetimeSeconds, readNonce } from './nonce.ts';

const mapped = new Set(['malformed', 'badSignatureAlgorithm', 'badPublicKey', 'unauthorized', 'invalidContact', 'unsupportedContact']);

function refusesOnlyByName(work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof CaError) || !mapped.has(error.code)) throw error;
  }
}

const b64u = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const header = fc.record(
  {
    alg: fc.oneof(fc.constantFrom('ES256', 'RS256', 'EdDSA', 'none', 'HS256'), fc.anything()),
    nonce: fc.anything(),
    url: fc.anything(),
    kid: fc.anything(),
    jwk: fc.oneof(
      fc.record({
        kty: fc.constantFrom('EC', 'RSA', 'OKP', 'oct'),
        crv: fc.string(),
        x: fc.string(),
        y: fc.string(),
        n: fc.base64String(),
        e: fc.string(),
      }),
      fc.anything(),
    ),
    crit: fc.anything(),
  },
  { requiredKeys: [] },
);
const safe = (value: unknown): string => {
  try {
    return b64u(value ?? null);
  } catch {
    return '';
  }
};

test('given any text, the JWS reader refuses by name', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 500 }), fc.json()), (text) => refusesOnlyByName(() => readJws(text, 'either'))),
    { numRuns: 2000 },
  );
});

test('given any header, the JWS reader refuses by name', () => {
  fc.assert(
    fc.property(header, fc.anything(), fc.string(), (head, payload, signature) => {
      const body = JSON.stringify({ protected: safe(head), payload: safe(payload), signature: b64u(signature) });
      refusesOnlyByName(() => readJws(body, 'either'));
      refusesOnlyByName(() => readPayload(Buffer.from(safe(payload), 'base64url')));
    }),
    { numRuns: 2000 },
  );
});

test('given anything, keys, contacts and bindings are refused by name', () => {
  fc.assert(
    fc.property(fc.anything({ withBigInt: false }), (value) => {
      refusesOnlyByName(() => readJwk(value));
      refusesOnlyByName(() => readContacts(value));
      refusesOnlyByName(() => readBinding(value, { url: 'https://x/', jwk: { kty: 'RSA', n: 'AQ', e: 'AQAB' } }));
    }),
    { numRuns: 2000 },
  );
});

test('given any object, the strict reader reads what JSON.stringify wrote, and a member twice is refused wherever it is', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })), (object) => {
      const text = JSON.stringify(object);
      expect(JSON.stringify(parseObject(text, 'it'))).toBe(text);
    }),
  );
  for (const text of ['{"a":1,"a":2}', '{"a":{"b":1,"b":2}}', '{"x":[{"b":1,"b":2}]}', '{"a":1,"\\u0061":2}', '{"a":"}","a":1}']) {
    expect(() => parseObject(text, 'it')).toThrow('twice');
  }
  expect(parseObject('{"a":{"b":1},"c":{"b":1},"d":"\\"a\\":1"}', 'it')).toBeDefined();
});

test('given any nonce text but ours, nothing is authentic; ours is, within its hour and for its key only', () => {
  const key = createSecretKey(randomBytes(32));
  const now = 1_800_000_000;
  const nonce = makeNonce(key, now, randomBytes(16));
  const read = readNonce(nonce, now);
  expect(read && nonceIsAuthentic(read, key)).toBe(true);
  expect(read && nonceIsAuthentic(read, createSecretKey(randomBytes(32)))).toBe(false);
  expect(readNonce(nonce, now + nonceLifetimeSeconds + 1)).toBeUndefined();
  expect(readNonce(nonce, now - 61)).toBeUndefined();
  expect(nonceKeyDay(now)).toBe(Math.floor(now / 86_400));
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 80 }), fc.base64String({ minLength: 48, maxLength: 52 })), (text) => {
      const found = readNonce(text, now);
      expect(found !== undefined && nonceIsAuthentic(found, key)).toBe(false);
    }),
  );
  expect(createHmac('sha256', key).update('x').digest()).toHaveLength(32);
});
