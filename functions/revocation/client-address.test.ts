import { expect, test } from 'vitest';
import { clientAddress } from './client-address.ts';

const viewed = (viewer: string, token: string): string =>
  clientAddress({ sourceIp: '130.176.0.1', headers: { 'cloudfront-viewer-address': viewer, 'x-origin-token': token } }, 'the token');

test('behind the distribution the viewer is counted, without its port', () => {
  expect(viewed('198.51.100.7:4711', 'the token')).toBe('198.51.100.7');
  expect(viewed('2001:db8:1:2:3:4:5:6:4711', 'the token')).toBe('2001:db8:1:2:3:4:5:6');
});

test('a viewer that nobody vouches for is not believed', () => {
  expect(viewed('198.51.100.7:4711', 'a guess')).toBe('130.176.0.1');
  expect(viewed('198.51.100.7:4711', '')).toBe('130.176.0.1');
  expect(clientAddress({ sourceIp: '192.0.2.1', headers: { 'cloudfront-viewer-address': '198.51.100.7:1' } }, undefined)).toBe('192.0.2.1');
});
