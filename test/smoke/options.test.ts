import { expect, test } from 'vitest';
import { run } from '../interop/tool.ts';
import { root } from '../platform.ts';

test.each([
  [['--endpoint', 'http://plain.example'], /--endpoint must be an https origin/],
  [['--endpoint', 'https://a.example'], /the admin token is missing/],
  [['--endpoint', 'https://a.example', '--token-file', '/dev/null'], /the admin token is missing/],
])('a command line that cannot work is refused in one line: %j', async (args, message) => {
  const { status, output } = await run(process.execPath, ['test/smoke/smoke.ts', ...args], { CERTCTL_TOKEN: '' }, root);
  expect([status, output.trim().split('\n').length]).toEqual([2, 1]);
  expect(output).toMatch(message);
});
