import { join } from 'node:path';
import { bundleFunctions, bundleReports } from '../bundle.ts';

/** `npm run bundles`: what is in each function's bundle, largest parts first. */
const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(0)} kB`;
const parts = (of: Readonly<Record<string, number>>): string =>
  Object.entries(of)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 12)
    .map(([name, bytes]) => `${name} ${kilobytes(bytes)}`)
    .join(', ');

for (const report of bundleReports(await bundleFunctions(join(import.meta.dirname, '..', '..')))) {
  process.stdout.write(`${report.function}: ${kilobytes(report.bytes)}\n  at start   ${parts(report.atStart)}\n`);
  const later = parts(report.onDemand);
  if (later !== '') process.stdout.write(`  on demand  ${later}\n`);
}
