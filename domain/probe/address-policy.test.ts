import fc from 'fast-check';
import { expect, test } from 'vitest';
import { judgeAddress } from './address-policy.ts';

test.each([
  '127.0.0.1', '127.255.255.254', '0.0.0.0', '169.254.169.254', '224.0.0.1', '240.0.0.1', '255.255.255.255', '::', '::1', 'fe80::1', 'ff02::1',
  'fd00:ec2::254', '::ffff:127.0.0.1', '::ffff:7f00:1', '::127.0.0.1', '2002:7f00:1::', '64:ff9b::169.254.169.254', '64:ff9b:1::1',
  '2001:0:7f00:1::', 'fe80::1%eth0', 'not an address', '', '0x7f000001', '::ffff:0:127.0.0.1',
])('%s is never reached, even where everything private is allowed', (address) => {
  expect(judgeAddress(address, ['0.0.0.0/0', '::/0'])).toBe('forbidden');
}); // prettier-ignore

test.each([
  '10.1.2.3',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  'fc00::1',
  'fd12:3456::1',
  '::ffff:10.0.0.1',
  '2002:a00:1::',
])('%s is reached only where the profile lists its range', (address) => {
  expect(judgeAddress(address, [])).toBe('forbidden');
  expect(judgeAddress(address, ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'])).toBe('allowed');
});

test.each(['1.1.1.1', '172.32.0.1', '9.255.255.255', '2606:4700::1111', '::ffff:1.1.1.1', '64:ff9b::1.1.1.1'])(
  '%s is public',
  (address) => {
    expect(judgeAddress(address, [])).toBe('allowed');
  },
);

test('given any IPv4 address, its mapped form is judged alike', () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      expect(judgeAddress(`::ffff:${address}`, [])).toBe(judgeAddress(address, []));
    }),
  );
});
