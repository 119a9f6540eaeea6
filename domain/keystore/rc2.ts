// RFC 2268 §2.
const piTable = Buffer.from(
  'd978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82' +
    '54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb6266fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7' +
    '08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ecc2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731' +
    '2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a90d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad',
  'hex',
);

/**
 * Undoes RC2 in CBC mode (RFC 2268), which Node's OpenSSL has no more and Java 8, OpenSSL 1 and Windows protected the certificates of PKCS#12 files with.
 *
 * @param effectiveBits strength that the key is reduced to (§2)
 * @param content a whole number of 8 octets
 * @returns with its padding
 */
export function decryptRc2(key: Buffer, effectiveBits: number, iv: Buffer, content: Buffer): Buffer {
  const words = expandedKey(key, effectiveBits);
  const out = Buffer.from(content);
  for (let at = 0; at + 8 <= content.length; at += 8) {
    decryptBlock(words, out, at);
    for (let i = 0; i < 8; i++) out[at + i] = (out[at + i] ?? 0) ^ ((at === 0 ? iv[i] : content[at - 8 + i]) ?? 0);
  }
  words.fill(0);
  return out;
}

/** Key expansion (§2). */
function expandedKey(key: Buffer, effectiveBits: number): Uint16Array {
  const bytes = Buffer.alloc(128);
  key.copy(bytes);
  const pi = (index: number): number => piTable[index & 0xff] ?? 0;
  const byteAt = (index: number): number => bytes[index] ?? 0;
  for (let i = key.length; i < 128; i++) bytes[i] = pi(byteAt(i - 1) + byteAt(i - key.length));
  const effectiveBytes = Math.ceil(effectiveBits / 8);
  const mask = 0xff >> (8 * effectiveBytes - effectiveBits);
  bytes[128 - effectiveBytes] = pi(byteAt(128 - effectiveBytes) & mask);
  for (let i = 127 - effectiveBytes; i >= 0; i--) bytes[i] = pi(byteAt(i + 1) ^ byteAt(i + effectiveBytes));
  const words = Uint16Array.from({ length: 64 }, (_, i) => bytes.readUInt16LE(2 * i));
  bytes.fill(0);
  return words;
}

/** Five rounds of r-mixing, r-mashing, six, r-mashing, five (§4), of the four words of a block where it lies. */
function decryptBlock(words: Uint16Array, bytes: Buffer, at: number): void {
  const word = (index: number): number => words[index] ?? 0;
  let [a, b, c, d] = [0, 2, 4, 6].map((offset) => bytes.readUInt16LE(at + offset)) as [number, number, number, number];
  for (let next = 63; next > 0; next -= 4) {
    d = (turned(d, 5) - word(next) - (c & b) - (~c & a)) & 0xffff;
    c = (turned(c, 3) - word(next - 1) - (b & a) - (~b & d)) & 0xffff;
    b = (turned(b, 2) - word(next - 2) - (a & d) - (~a & c)) & 0xffff;
    a = (turned(a, 1) - word(next - 3) - (d & c) - (~d & b)) & 0xffff;
    if (next !== 47 && next !== 23) continue;
    d = (d - word(c & 63)) & 0xffff;
    c = (c - word(b & 63)) & 0xffff;
    b = (b - word(a & 63)) & 0xffff;
    a = (a - word(d & 63)) & 0xffff;
  }
  for (const [i, value] of [a, b, c, d].entries()) bytes.writeUInt16LE(value, at + 2 * i);
}

/** A word that was rotated to the left, as it was. */
function turned(value: number, bits: number): number {
  return ((value >>> bits) | (value << (16 - bits))) & 0xffff;
}
