import { expect, test } from 'vitest';
import { UsageError } from '../http/usage-error.ts';
import { proxyOf } from './proxy.ts';

test.each([
  [{}, {}],
  [{ NO_PROXY: '*' }, {}],
  [{ HTTPS_PROXY: '' }, {}],
  [{ HTTPS_PROXY: 'http://proxy:3128' }, { HTTPS_PROXY: 'http://proxy:3128' }],
  [{ https_proxy: 'proxy:3128' }, { HTTPS_PROXY: 'http://proxy:3128' }],
  [
    { HTTPS_PROXY: '10.0.0.1:3128', no_proxy: '.internal' },
    { HTTPS_PROXY: 'http://10.0.0.1:3128', NO_PROXY: '.internal' },
  ],
  // An http proxy for plain http says nothing about this.
  [{ HTTP_PROXY: 'http://other:3128' }, {}],
])('%j is %j', (environment, expected) => {
  expect(proxyOf(environment)).toEqual(expected);
});

test.each(['socks5://user:secret@proxy:1080', 'http://', 'http:///x', 'no url at all'])('%s is refused, and not repeated', (proxy) => {
  const refused = expect(() => proxyOf({ HTTPS_PROXY: proxy }));
  refused.toThrow(UsageError);
  refused.not.toThrow(/secret/);
});
