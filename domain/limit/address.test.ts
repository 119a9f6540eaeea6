import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressKey } from './address.ts';

test('IPv4 is its own bucket, also where it is written as IPv6', () => {
  expect([addressKey('192.0.2.1'), addressKey('::ffff:192.0.2.1')]).toEqual(['192.0.2.1', '192.0.2.1']);
});

test('all addresses of a /64 share a bucket, and no other does', () => {
  fc.assert(
    fc.property(fc.ipV6(), fc.ipV6(), (one, other) => {
      const prefix = (text: string): string | undefined => addressKey(text);
      fc.pre(prefix(one)?.endsWith('::/64') === true && prefix(other)?.endsWith('::/64') === true);
      const head = (prefix(one) ?? '').replace('::/64', '');
      expect(prefix(`${head}:1:2:3:4`)).toBe(prefix(one));
      expect(prefix(one) === prefix(other)).toBe(head === (prefix(other) ?? '').replace('::/64', ''));
    }),
  );
});

test('what is no address has no bucket', () => {
  for (const text of ['', 'localhost', '1.2.3', '1.2.3.4:80', 'fe80::1%eth0']) expect([text, addressKey(text)]).toEqual([text, undefined]);
});
