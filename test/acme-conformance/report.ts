import { nameOf } from './case.ts';
import type { Result } from './run.ts';

const marks: Readonly<Record<Result['outcome'], string>> = { pass: 'pass', fail: 'FAIL', 'not applicable': 'n/a ' };

/** A result as a line of the table, and the reason below it. */
export function line(result: Result): string {
  const { clause, level, title } = result.case;
  const head = `${marks[result.outcome]}  ${clause.padEnd(20)}  ${level.padEnd(6)}  ${title}`;
  return result.reason === '' ? head : `${head}\n${' '.repeat(36)}${result.reason}`;
}

export function summary(results: readonly Result[]): string {
  const count = (outcome: Result['outcome']): number => results.filter((result) => result.outcome === outcome).length;
  return `${count('pass')} passed, ${count('fail')} failed, ${count('not applicable')} not applicable`;
}

/** The results as JUnit XML, one test suite a section. */
export function junit(results: readonly Result[]): string {
  const sections = [...new Set(results.map(({ section }) => section))];
  const suites = sections.map((section) => {
    const own = results.filter((result) => result.section === section);
    const count = (outcome: Result['outcome']): number => own.filter((result) => result.outcome === outcome).length;
    const cases = own.map(testcase).join('\n');
    return `  <testsuite name="${escaped(section)}" tests="${own.length}" failures="${count('fail')}" skipped="${count('not applicable')}">\n${cases}\n  </testsuite>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="acme-conformance">\n${suites.join('\n')}\n</testsuites>\n`;
}

function testcase(result: Result): string {
  const name = escaped(nameOf(result.case));
  const open = `    <testcase classname="${escaped(result.case.clause)}" name="${name}" time="${result.seconds.toFixed(3)}"`;
  if (result.outcome === 'pass') return `${open}/>`;
  const element = result.outcome === 'fail' ? 'failure' : 'skipped';
  return `${open}><${element} message="${escaped(result.reason)}"/></testcase>`;
}

function escaped(text: string): string {
  // XML 1.0 cannot hold control characters at all.

  const clean = text.replace(/[\u0000-\u001f]/g, ' ');
  return clean.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}
