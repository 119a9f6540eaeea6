/**
 * Names a new row: a prefix and a UUIDv7 in hex, so that rows born together lie together in an index (RFC 9562 §5.7).
 *
 * @param prefix what kind of thing it names, e.g. `ord`
 * @param nowMs milliseconds since the epoch
 * @param random at least 10 random bytes
 * @example newId('ord', 1764000000000, randomBytes(10)) // 'ord-019ab…'
 */
export function newId(prefix: string, nowMs: number, random: Uint8Array): string {
  const time = nowMs.toString(16).padStart(12, '0');
  const tail = Buffer.from(random.subarray(0, 10));
  tail[0] = ((tail[0] ?? 0) & 0x0f) | 0x70;
  tail[2] = ((tail[2] ?? 0) & 0x3f) | 0x80;
  return `${prefix}-${time}${tail.toString('hex')}`;
}
