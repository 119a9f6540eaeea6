import fc from 'fast-check';

/** Valid bytes with a few octets changed, cut or added. */
export function mutatedBytes(valid: Buffer): fc.Arbitrary<Buffer> {
  const edit = fc.tuple(fc.nat(valid.length - 1), fc.nat(255), fc.constantFrom('set', 'cut', 'insert'));
  return fc.array(edit, { minLength: 1, maxLength: 6 }).map((edits) => {
    let bytes = Buffer.from(valid);
    for (const [at, value, kind] of edits) {
      if (kind === 'set' && at < bytes.length) bytes[at] = value;
      else if (kind === 'cut') bytes = bytes.subarray(0, Math.min(at, bytes.length));
      else bytes = Buffer.concat([bytes.subarray(0, at), Buffer.of(value), bytes.subarray(at)]);
    }
    return bytes;
  });
}
