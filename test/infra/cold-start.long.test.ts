import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleFunctions, type Bundles } from '#infra/bundle.ts';
import { functionSpecs, isLoop } from '#infra/functions.ts';
import { root } from '../platform.ts';

let bundles: Bundles;
beforeAll(async () => void (bundles = await bundleFunctions(root)), 120_000);
const folder = mkdtempSync(join(tmpdir(), 'cold-start-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What `node -e 0` takes where nobody else works: see docs/operator/performance-baselines.md. */
const quietEmptyMs = 31;
/** Twice the goal of 100 ms. */
const budgetMs = 200;

test.each(functionSpecs.map((spec) => spec.name))('%s starts within its budget beyond an empty node', (name) => {
  // Away from this repository, whose package.json would make a module of it.
  const file = join(folder, `${name}.js`);
  cpSync(join(bundles.folder, isLoop(name) ? `loops/${name}.js` : `${name}/index.js`), file);
  const load = `if (typeof require(${JSON.stringify(file)}).handler !== 'function') throw new Error('no handler');`;
  // Processor time: what a start costs does not grow with what the neighbours of this machine do meanwhile.
  const milliseconds = (program: string): number => {
    const code = `${program}; const { user, system } = process.cpuUsage(); console.log((user + system) / 1000); process.exit(0)`;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', code], { env: environment, encoding: 'utf8' });
    expect(stderr).toBe('');
    return Number(stdout);
  };
  const pairs = Array.from({ length: 9 }, () => ({ empty: milliseconds('0'), started: milliseconds(load) }));
  const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[4]!;
  const empty = median(pairs.map((pair) => pair.empty));
  const beyond = median(pairs.map((pair) => pair.started - pair.empty));
  // Neighbours also slow the processor down; an empty start says by how much.
  const quiet = (beyond / empty) * quietEmptyMs;
  console.log(`${name}: ${beyond.toFixed(0)} ms beyond an empty node of ${empty.toFixed(0)} ms, ${quiet.toFixed(0)} ms on a quiet machine`);
  expect(quiet).toBeLessThan(budgetMs);
});

/** What every function could want to read when it loads; none of it is connected to before a request. */
const environment = {
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'none',
  AWS_SECRET_ACCESS_KEY: 'none',
  ...{ DATABASE_HOST: 'db.invalid', DATABASE_NAME: 'certctl', DATABASE_USER: 'certctl_runtime', DATABASE_AUTH: 'iam' },
  ...{ STATE_TABLE: 'State', NONCE_TABLE: 'Nonces', RATE_TABLE: 'RateLimits', ARTIFACT_BUCKET: 'artifacts' },
  ...{ ENVELOPE_KEY_ARN: 'arn:aws:kms:us-east-1:111122223333:key/k', JOB_QUEUE_URL: 'https://queue.invalid/1/Jobs' },
  ...{ PUBLIC_BASE_URL: 'https://api.invalid', PKI_BASE_URL: 'http://pki.invalid', SCHEMA_HEAD: '000001_profiles.up.sql' },
  ...{ PROBER_FUNCTION: 'prober', CONNECTOR_FUNCTION: 'connector', LOOP_FUNCTIONS: '{}', RUNTIME_ROLE: 'certctl_runtime' },
};
