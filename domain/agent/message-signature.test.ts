import fc from 'fast-check';
import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { CaError } from '../error.ts';
import { claimedKeyId, signRequest, signatureWindowSeconds, verifyRequest, type SignedRequest } from './message-signature.ts';

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spki = publicKey.export({ format: 'der', type: 'spki' });
const request: SignedRequest = { method: 'POST', path: '/api/v1/agents/agent-1/work', query: 'limit=4', body: Buffer.from('{"a":1}') };
const now = 1_800_000_000;
const signed = signRequest(request, privateKey, 'agent-1', now);

test('a signed request verifies, and says whose it claims to be', () => {
  expect(claimedKeyId({ ...signed })).toBe('agent-1');
  expect(() => verifyRequest(request, { ...signed }, spki, now + 5)).not.toThrow();
});

test.each([
  ['method', { ...request, method: 'GET' }],
  ['path', { ...request, path: '/api/v1/agents/agent-2/work' }],
  ['query', { ...request, query: 'limit=5' }],
  ['body', { ...request, body: Buffer.from('{"a":2}') }],
])('another %s than the signed one is refused', (_, other) => {
  expect(() => verifyRequest(other, { ...signed }, spki, now)).toThrow(CaError);
});

test('another key, another key id, or a digest of something else is refused', () => {
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'der', type: 'spki' });
  expect(() => verifyRequest(request, { ...signed }, stranger, now)).toThrow('does not verify');
  const renamed = { ...signed, 'signature-input': signed['signature-input'].replace('agent-1', 'agent-2') };
  expect(() => verifyRequest(request, renamed, spki, now)).toThrow('does not verify');
  expect(() => verifyRequest(request, { ...signed, 'content-digest': 'sha-256=:AAAA:' }, spki, now)).toThrow('Content-Digest');
});

test('a signature lives for the window, before and after', () => {
  for (const seconds of [-signatureWindowSeconds, signatureWindowSeconds])
    expect(() => verifyRequest(request, { ...signed }, spki, now + seconds)).not.toThrow();
  for (const seconds of [-signatureWindowSeconds - 1, signatureWindowSeconds + 1])
    expect(() => verifyRequest(request, { ...signed }, spki, now + seconds)).toThrow('clock');
});

test('whatever the header fields hold, the refusal is one mapped error', () => {
  const field = fc.option(fc.oneof(fc.string(), fc.constantFrom<string>(...(Object.values(signed) as string[]))), { nil: undefined });
  fc.assert(
    fc.property(field, field, field, (digest, from, signature) => {
      const headers = { 'content-digest': digest, 'signature-input': from, signature };
      try {
        verifyRequest(request, headers, spki, now);
        expect(headers).toEqual({ ...signed });
      } catch (error) {
        expect(error).toMatchObject({ name: 'CaError', code: 'unauthenticated' });
      }
    }),
  );
});
