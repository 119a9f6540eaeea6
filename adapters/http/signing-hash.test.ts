import { createHash, createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SigningHash } from './signing-hash.ts';

const data = fc.oneof(
  fc.string(),
  fc.uint8Array({ maxLength: 300 }),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => new Uint8Array(bytes).buffer),
);
const bytesOf = (part: string | Uint8Array | ArrayBuffer): Buffer =>
  typeof part === 'string' ? Buffer.from(part, 'utf8') : Buffer.from(part instanceof ArrayBuffer ? new Uint8Array(part) : part);

test('given any data in any parts, the digest is the one of node’s SHA-256, with a secret the one of its HMAC, at each use of the secret', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(data, { maxLength: 3 }), fc.option(data, { nil: undefined }), async (parts, secret) => {
      const plain = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret));
      for (const part of parts) plain.update(bytesOf(part));
      const expected = plain.digest('hex');
      for (const _ of [1, 2]) {
        const ours = new SigningHash(secret);
        for (const part of parts) ours.update(part);
        expect(Buffer.from(await ours.digest()).toString('hex')).toBe(expected);
      }
    }),
    { numRuns: 1000 },
  );
});

test('given more secrets than are kept, each still gives its own digest', async () => {
  for (let n = 0; n < 40; n++) {
    const ours = new SigningHash(`secret ${n}`);
    ours.update('text');
    expect(Buffer.from(await ours.digest()).toString('hex')).toBe(createHmac('sha256', `secret ${n}`).update('text').digest('hex'));
  }
});
