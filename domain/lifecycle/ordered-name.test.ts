import fc from 'fast-check';
import { expect, test } from 'vitest';
import { orderedName } from './ordered-name.ts';

test.each([
  ['www.example.com', 'dns', 'www.example.com'],
  ['WWW.Example.com', 'dns', 'www.example.com'],
  ['*.example.com', 'dns', '*.example.com'],
  ['dns:localhost', 'dns', 'localhost'],
  ['192.0.2.1', 'ip', '192.0.2.1'],
  ['2001:db8:0::1', 'ip', '2001:db8::1'],
  ['ip:2001:DB8::1', 'ip', '2001:db8::1'],
  ['email:a@example.com', 'email', 'a@example.com'],
  ['uri:spiffe://example.org/web', 'uri', 'spiffe://example.org/web'],
] as const)('%s is the %s name %s', (text, type, value) => expect(orderedName(text)).toEqual({ type, value }));

test.each(['ip:www.example.com', 'email:nobody', 'uri:nothing', '-bad-.example.com', 'a b', 'dns:', 'other:x', ''])(
  '%s is refused',
  (text) => {
    expect(() => orderedName(text)).toThrow(expect.objectContaining({ code: 'malformed' }) as Error);
  },
);

test('whatever the text, the answer is a name or one mapped error', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.webUrl(), fc.ipV6(), fc.emailAddress()), (text) => {
      try {
        expect(orderedName(text).value.length).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toMatchObject({ code: 'malformed' });
      }
    }),
  );
});
