import { createHash } from 'node:crypto';

const base32 = 'abcdefghijklmnopqrstuvwxyz234567';

/**
 * The name of an account's own records below `_acme-challenge` (draft-ietf-acme-dns-account-label-02 §3.1): base32 of the first ten octets of the
 * SHA-256 of its URL, in lower case.
 *
 * @example accountLabel('https://example.com/acme/acct/ExampleAccount') // '_ujmmovf2vn55tgye'
 */
export function accountLabel(accountUri: string): string {
  const digest = createHash('sha256').update(accountUri).digest();
  let bits = BigInt(`0x${digest.subarray(0, 10).toString('hex')}`);
  let label = '';
  for (let digit = 0; digit < 16; digit++, bits >>= 5n) label = `${base32[Number(bits & 31n)] ?? ''}${label}`;
  return `_${label}`;
}
