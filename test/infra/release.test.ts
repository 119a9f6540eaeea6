import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { bundleFunctions, bundleReports } from '#infra/bundle.ts';
import { readExceptions, unexcepted } from '#infra/release/audit.ts';
import { isAccepted, licences } from '#infra/release/licences.ts';
import { root } from '../platform.ts';

vi.setConfig({ testTimeout: 120_000 });
const folder = mkdtempSync(join(tmpdir(), 'release-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const release = (...args: string[]) => spawnSync(process.execPath, ['infra/release/release.ts', ...args], { cwd: root, encoding: 'utf8' });
let first: ReturnType<typeof release>;
beforeAll(() => {
  first = release('--out', folder);
}, 120_000);
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

test('a release says what is inside, twice in the same bytes, and a rebuild is compared with it file by file', () => {
  expect([first.status, first.stdout]).toEqual([0, expect.stringMatching(/^\d+ files of [0-9a-f]{12} in /) as unknown]);
  const papers = (): string[] => ['sbom.cdx.json', 'licences.md', 'SHA256SUMS', 'provenance.json'].map(read);
  const before = papers();
  expect(release('--out', folder).status).toBe(0);
  expect(papers()).toEqual(before);
  expect(release('--check', join(folder, 'SHA256SUMS')).stdout).toMatch(/^the same \d+ files\n$/);
  const other = join(folder, 'other');
  writeFileSync(other, read('SHA256SUMS').replace(/^[0-9a-f]{64}(?= {2}prober\/index\.js$)/m, '0'.repeat(64)));
  const differing = release('--check', other);
  expect([differing.status, differing.stderr]).toEqual([1, 'differs: prober/index.js\n']);
  expect(release('--check', join(folder, 'absent')).status).toBe(2);
});

test('the provenance names the commit, the lock file and every deployed file with its digest', () => {
  const statement = JSON.parse(read('provenance.json')) as {
    subject: { name: string; digest: { sha256: string } }[];
    predicate: { buildDefinition: { resolvedDependencies: { name: string; digest?: Record<string, string> }[] } };
  };
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  const [source] = statement.predicate.buildDefinition.resolvedDependencies;
  expect(source).toEqual({ name: 'source', digest: { gitCommit: commit } });
  expect(statement.subject.map(({ name, digest }) => `${digest.sha256}  ${name}\n`).join('')).toBe(read('SHA256SUMS'));
});

test('the bill of materials and the list of licences have every package that is in a bundle', async () => {
  const bill = JSON.parse(read('sbom.cdx.json')) as { bomFormat: string; components: { name: string; hashes?: unknown[] }[] };
  expect(bill.bomFormat).toBe('CycloneDX');
  const billed = new Set(bill.components.filter(({ hashes }) => hashes !== undefined).map(({ name }) => name));
  const licensed = new Set(licences(root).map(({ name }) => name));
  const ours = /^(?:adapters|contract|connectors|docs|domain|functions|left-out:.*)$/;
  for (const report of bundleReports(await bundleFunctions(root)))
    for (const name of [...Object.keys(report.atStart), ...Object.keys(report.onDemand)].filter((part) => !ours.test(part)))
      expect([name, billed.has(name), licensed.has(name)]).toEqual([name, true, true]);
});

test('a licence is accepted by name, one of alternatives suffices, and of licences that hold together none may be missing', () => {
  expect(licences(root).filter(({ licence }) => !isAccepted(licence))).toEqual([]);
  expect(['MIT', '(BSD-3-Clause OR GPL-2.0)', 'MIT AND ISC'].map(isAccepted)).toEqual([true, true, true]);
  expect(['GPL-3.0', 'unknown', 'MIT AND GPL-3.0', ''].map(isAccepted)).toEqual([false, false, false, false]);
});

test('a known fault fails the gate unless a written exception names it and has not run out', () => {
  const url = 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc';
  const answer = {
    vulnerabilities: {
      left: { severity: 'high', via: [{ url, title: 'a fault' }] },
      right: { severity: 'high', via: ['left'] },
    },
  };
  const exception = { advisory: 'GHSA-aaaa-bbbb-cccc', package: 'left', reason: 'its parser is never called here', until: '2026-12-31' };
  const line = 'high left: a fault (GHSA-aaaa-bbbb-cccc)';
  expect(unexcepted(answer, [], '2026-09-01')).toEqual([line]);
  expect(unexcepted(answer, [exception], '2026-09-01')).toEqual([]);
  expect(unexcepted(answer, [exception], '2027-01-01')).toEqual([line]);
  expect(unexcepted(answer, [{ ...exception, package: 'right' }], '2026-09-01')).toEqual([line]);
  expect(() => unexcepted({ message: '405 Method Not Allowed' }, [], '2026-09-01')).toThrow();
  for (const { until } of readExceptions()) expect(until > '2026-01-01').toBe(true);
});
