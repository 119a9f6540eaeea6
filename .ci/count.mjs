// Adds up the JSON reports of a folder, says again what failed and why, and prints the closing line; exits 1 when anything failed, nothing ran or a report is missing. Commands without a report that failed are told by their number.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder = '', expected = '1', others = '0'] = process.argv.slice(2);
const reports = readdirSync(folder).filter((name) => name.endsWith('.json'));
let passed = 0;
let failed = Math.max(0, Number(expected) - reports.length) + Number(others);
let skipped = 0;
for (const file of reports) {
  const report = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  passed += report.numPassedTests;
  // A file that does not load fails without a failed test.
  failed += report.numFailedTests === 0 && !report.success ? 1 : report.numFailedTests;
  skipped += report.numPendingTests + report.numTodoTests;
  for (const { name, status, message, assertionResults } of report.testResults) {
    const wrong = assertionResults.filter((result) => result.status === 'failed');
    for (const { fullName, failureMessages } of wrong)
      console.log(`FAILED ${name}\n  ${fullName}\n${shortened(failureMessages.join('\n'))}`);
    if (status === 'failed' && wrong.length === 0) console.log(`FAILED ${name}\n${shortened(message)}`);
  }
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

/** Who reads the end of a long log wants the reason, not the whole of it. */
function shortened(text) {
  return text.slice(0, 3000).replace(/^/gm, '    ');
}
