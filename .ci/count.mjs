// Adds up the JSON reports of a folder and prints the closing line; exits 1 when anything failed, nothing ran or a report is missing.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [folder = '', expected = '1'] = process.argv.slice(2);
const reports = readdirSync(folder).filter((name) => name.endsWith('.json'));
let passed = 0;
let failed = Math.max(0, Number(expected) - reports.length);
let skipped = 0;
for (const file of reports) {
  const report = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  passed += report.numPassedTests;
  // A file that does not load fails without a failed test.
  failed += report.numFailedTests === 0 && !report.success ? 1 : report.numFailedTests;
  skipped += report.numPendingTests + report.numTodoTests;
}
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
