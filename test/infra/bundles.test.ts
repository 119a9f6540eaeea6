import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleFunctions, bundleReports, type BundleReport, type Bundles } from '#infra/bundle.ts';
import { connectorName, functionSpecs, type FunctionSpec } from '#infra/functions.ts';
import { copyCheckout } from '../checkout.ts';
import { root } from '../platform.ts';

let bundles: Bundles;
let reports: readonly BundleReport[];
beforeAll(async () => {
  bundles = await bundleFunctions(root);
  reports = bundleReports(bundles);
}, 120_000);

const folder = mkdtempSync(join(tmpdir(), 'bundles-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const reportOf = (name: string): BundleReport => reports.find((report) => report.function === name)!;
/** Those that strangers wait for. */
const protocols = functionSpecs.filter((spec) => spec.routes !== undefined && spec.name !== 'api').map((spec) => spec.name);
// Twenty thousand octets of `api` are words: the OpenAPI document, which it makes when somebody asks for it, says what each value is.
const budgets: Readonly<Record<string, number>> = { prober: 150_000, api: 1_000_000, worker: 800_000, default: 650_000 };

test.each(functionSpecs.map((spec) => spec.name))('the bundle of %s keeps its budget', (name) => {
  const budget = budgets[name] ?? (protocols.includes(name) ? 600_000 : budgets['default']!);
  expect(reportOf(name).bytes).toBeGreaterThan(10_000);
  expect(reportOf(name).bytes).toBeLessThanOrEqual(budget);
});

/** What a function's row in the table makes it need. */
function needs(spec: FunctionSpec): readonly string[] {
  const calls = spec.invokesProber ?? spec.invokesConnector ?? spec.warms;
  return [
    ...(spec.database === undefined ? [] : ['pg', '@aws-sdk/rds-signer']),
    ...(spec.name === connectorName ? ['@aws-sdk/client-acm-pca'] : []),
    ...(spec.tables === undefined ? [] : ['@aws-sdk/client-dynamodb']),
    ...(spec.envelope === undefined ? [] : ['@aws-sdk/client-kms']),
    ...(spec.artifacts === undefined || spec.name === 'api' ? [] : ['@aws-sdk/client-s3']),
    ...(spec.sendsJobs === true || spec.consumesJobs === true ? ['@aws-sdk/client-sqs'] : []),
    ...(calls === true ? ['@aws-sdk/client-lambda'] : []),
  ].sort();
}
const heavy = /^(?:pg|pkijs|asn1js|reflect-metadata|@peculiar\/.*|@aws-sdk\/client-.*|@aws-sdk\/rds-signer|aws-cdk-lib|acme-client)$/;

test.each([...functionSpecs])('before its first answer $name loads a client of what it uses, and nothing else that is heavy', (spec) => {
  const loaded = Object.keys(reportOf(spec.name).atStart).filter((name) => heavy.test(name));
  expect(loaded.sort()).toEqual(needs(spec));
  // What few deployments or few requests need.
  const later = Object.keys(reportOf(spec.name).onDemand).filter((name) => heavy.test(name));
  expect(later.sort()).toEqual([
    ...(spec.name === connectorName ? ['@aws-sdk/client-acm'] : []),
    ...(spec.startsLoops === true ? ['@aws-sdk/client-lambda'] : []),
    ...(spec.name === 'api' ? ['@aws-sdk/client-s3'] : []),
    ...(spec.database === undefined ? [] : ['@aws-sdk/client-secrets-manager']),
  ]);
});

test.each(protocols)('%s has the half of zod without methods, and none of the other', (name) => {
  expect(reportOf(name).atStart['zod'] ?? 0).toBeLessThan(35_000);
});

test('the packages that run before the first answer are those of this list', () => {
  const all = new Set(reports.filter((report) => protocols.includes(report.function)).flatMap((report) => Object.keys(report.atStart)));
  expect([...all].filter((name) => !name.startsWith('left-out:')).sort()).toMatchInlineSnapshot(`
    [
      "@aws-lambda-powertools/commons",
      "@aws-lambda-powertools/logger",
      "@aws-sdk/checksums",
      "@aws-sdk/client-dynamodb",
      "@aws-sdk/client-kms",
      "@aws-sdk/client-s3",
      "@aws-sdk/client-sqs",
      "@aws-sdk/core",
      "@aws-sdk/credential-provider-env",
      "@aws-sdk/credential-providers",
      "@aws-sdk/dynamodb-codec",
      "@aws-sdk/endpoint-cache",
      "@aws-sdk/middleware-endpoint-discovery",
      "@aws-sdk/middleware-sdk-s3",
      "@aws-sdk/middleware-sdk-sqs",
      "@aws-sdk/rds-signer",
      "@aws-sdk/signature-v4-multi-region",
      "@aws-sdk/xml-builder",
      "@aws/lambda-invoke-store",
      "@middy/core",
      "@smithy/core",
      "@smithy/node-http-handler",
      "@smithy/signature-v4",
      "@smithy/types",
      "adapters",
      "domain",
      "functions",
      "mnemonist",
      "obliterator",
      "pg",
      "pg-cloudflare",
      "pg-connection-string",
      "pg-int8",
      "pg-pool",
      "pg-protocol",
      "pg-types",
      "pgpass",
      "postgres-array",
      "postgres-bytea",
      "postgres-date",
      "postgres-interval",
      "split2",
      "tlds",
      "xtend",
      "zod",
    ]
  `);
});

test('the prober has no code that could read a secret, a database or a key: its import graph holds none', () => {
  const { atStart, onDemand } = reportOf('prober');
  const packages = [...Object.keys(atStart), ...Object.keys(onDemand)];
  expect(packages.filter((name) => !name.startsWith('left-out:')).sort()).toEqual(['adapters', 'domain', 'functions', 'zod']);
});

test('the same sources give the same bytes, wherever they are built', async () => {
  const elsewhere = join(folder, 'elsewhere');
  copyCheckout(elsewhere);
  const again = await bundleFunctions(elsewhere);
  expect([again.built, again.digest]).toEqual([true, bundles.digest]);
  expect(contents(again.folder)).toEqual(contents(bundles.folder));
}, 120_000);

/** SHA-256 of every deployed file by its path. */
function contents(folder: string): Readonly<Record<string, string>> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((file) => !file.startsWith(join(folder, 'maps')) && !file.endsWith('report.json'))
      .sort()
      .map((file) => [file.slice(folder.length), createHash('sha256').update(readFileSync(file)).digest('hex')]),
  );
}
