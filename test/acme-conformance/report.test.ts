import { expect, test } from 'vitest';
import { must } from './case.ts';
import { junit, line, summary } from './report.ts';
import type { Result } from './run.ts';
import { sections } from './sections.ts';

const one = must('RFC 8555 §6.5', 'a nonce is refused the second time', async () => undefined);
const result = (outcome: Result['outcome'], reason = ''): Result => ({ section: 'A & B', case: one, outcome, reason, seconds: 0.1234 });

test('JUnit counts by section and holds no text that XML could not', () => {
  const xml = junit([result('pass'), result('fail', 'answered <b> & "c"\u0000\n'), result('not applicable', 'none')]);
  expect(xml).toContain('<testsuite name="A &amp; B" tests="3" failures="1" skipped="1">');
  expect(xml).toContain('<failure message="answered &lt;b&gt; &amp; &quot;c&quot;  "/>');
  expect(xml).toContain('<skipped message="none"/>');
  expect(xml).toContain('time="0.123"/>');
});

test('a line of the table says what, how strongly and why not', () => {
  expect(line(result('pass'))).toBe('pass  RFC 8555 §6.5         MUST    a nonce is refused the second time');
  expect(line(result('fail', 'because')).split('\n')[1]?.trim()).toBe('because');
  expect(summary([result('pass'), result('fail'), result('fail')])).toBe('1 passed, 2 failed, 0 not applicable');
});

test('no two cases have one name, and each names a clause', () => {
  const cases = sections.flatMap((section) => section.cases);
  expect(new Set(cases.map(({ clause, title }) => `${clause} ${title}`)).size).toBe(cases.length);
  for (const { clause } of cases)
    expect(clause).toMatch(/^(RFC (8555|8737|8738|8739|9444|9773)|draft-ietf-acme-dns-(account-label|persist)) §\d+(\.\d+)*$/);
});
