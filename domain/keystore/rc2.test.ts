import { expect, test } from 'vitest';
import { decryptRc2 } from './rc2.ts';

// RFC 2268 §5: effective bits, key, plaintext, ciphertext.
test.each([
  [63, '0000000000000000', '0000000000000000', 'ebb773f993278eff'],
  [64, 'ffffffffffffffff', 'ffffffffffffffff', '278b27e42e2f0d49'],
  [64, '3000000000000000', '1000000000000001', '30649edf9be7d2c2'],
  [64, '88', '0000000000000000', '61a8a244adacccf0'],
  [64, '88bca90e90875a', '0000000000000000', '6ccf4308974c267f'],
  [64, '88bca90e90875a7f0f79c384627bafb2', '0000000000000000', '1a807d272bbe5db1'],
  [128, '88bca90e90875a7f0f79c384627bafb2', '0000000000000000', '2269552ab0f85ca6'],
  [129, '88bca90e90875a7f0f79c384627bafb216f80a6f85920584c42fceb0be255daf1e', '0000000000000000', '5b78d3a43dfff1f1'],
])('given the vector of %i effective bits and key %s, RC2 is undone (RFC 2268 §5)', (bits, key, plain, cipher) => {
  const [k, c] = [Buffer.from(key, 'hex'), Buffer.from(cipher, 'hex')];
  expect(decryptRc2(k, bits, Buffer.alloc(8), c).toString('hex')).toBe(plain);
  // The second block of CBC is the first one's ciphertext away from it.
  const second = Buffer.from(plain, 'hex').map((octet, at) => octet ^ (c[at] ?? 0));
  expect(decryptRc2(k, bits, Buffer.alloc(8), Buffer.concat([c, c])).subarray(8)).toEqual(Buffer.from(second));
});
