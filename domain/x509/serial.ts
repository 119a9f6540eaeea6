/**
 * A serial number of 128 random bits in canonical hex (RFC 5280 §4.1.2.2: positive, at most 20 octets).
 *
 * @param random 16 random bytes; all zero, which never happens, becomes 1
 */
export function newSerial(random: Uint8Array): string {
  const hex = Buffer.from(random.subarray(0, 16)).toString('hex').replace(/^0+/, '');
  return hex === '' ? '1' : hex;
}

/** Lower-case hex without leading zeros, however it was written; undefined when it is no serial of at most 20 octets. */
export function canonicalSerial(text: string): string | undefined {
  const hex = text.replace(/^0x/i, '').replace(/[:\s]/g, '').toLowerCase();
  if (!/^[0-9a-f]{1,60}$/.test(hex)) return undefined;
  const trimmed = hex.replace(/^0+(?=.)/, '');
  return trimmed.length <= 40 ? trimmed : undefined;
}
