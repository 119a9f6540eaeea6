import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { readConfig } from '#infra/config.ts';
import { estimate, type Estimate } from '#infra/report/cost.ts';
import { templatesOf } from '#infra/report/templates.ts';
import { costPage, withTables } from '../../docs/operator/cost-table.ts';
import { root } from '../platform.ts';

vi.setConfig({ testTimeout: 120_000 });

const rest = { certificates: 0, renewals: 0, ocspRequests: 0, apiCalls: 0 };
const month = async (context: object, usage = rest): Promise<Estimate> => {
  const config = readConfig(context);
  return estimate(await templatesOf(config), config, usage);
};
const line = (of: Estimate, what: string): number => of.lines.find((candidate) => candidate.what === what)?.listed ?? 0;

test('at rest the smallest form stays under 5 dollars with the allowances of an account', async () => {
  const { paid, listed, lines } = await month({});
  expect(paid).toBeGreaterThan(1);
  expect(paid).toBeLessThan(5);
  expect(listed).toBeGreaterThan(paid);
  // What is counted is there: a key, a secret, alarms, ticks, wakes.
  for (const what of ['keys', 'secrets', 'alarms', 'ticks: gates', 'Aurora, awake'])
    expect([what, lines.some((l) => l.what === what)]).toEqual([what, true]);
});

test('every dear option shows in the sum, from its resource in the template', async () => {
  expect(line(await month({ egress: 'nat' }), 'NAT gateway')).toBeCloseTo(32.85);
  expect(line(await month({ proxy: true, minCapacity: 1 }), 'database proxy')).toBeCloseTo(87.6);
  expect(line(await month({ proxy: true, minCapacity: 1 }), 'Aurora, awake')).toBeCloseTo(87.6);
  expect(line(await month({ metrics: 'full' }), 'series')).toBeGreaterThan(10);
  const acl = 'arn:aws:wafv2:us-east-1:111122223333:global/webacl/name/0';
  expect(line(await month({ webAclArn: acl }), 'web ACL, without its rules')).toBe(5);
});

test('use costs more, never less, and a database that is always asked never sleeps', async () => {
  const some = await month({}, { ...rest, certificates: 1000, renewals: 500 });
  const more = await month({}, { ...rest, certificates: 10_000, renewals: 5000, ocspRequests: 1_000_000 });
  const called = await month({}, { ...rest, apiCalls: 10_000 });
  expect((await month({})).paid).toBeLessThan(called.paid);
  expect((await month({})).paid).toBeLessThan(some.paid);
  expect(some.paid).toBeLessThan(more.paid);
  expect(line(more, 'Aurora, awake')).toBeCloseTo(0.5 * 730 * 0.12, 0);
});

test('the page’s tables are those of the templates; `node docs/operator/cost-table.ts` writes them', async () => {
  const page = readFileSync(costPage, 'utf8');
  expect(page).toBe(await withTables(page));
});

test('the command prints a sum, and refuses what is no number in one line', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ['infra/report/cost-command.ts', ...args], { cwd: root, encoding: 'utf8' });
  const { stdout, status } = run('--certificates', '10000');
  expect([status, /^sum +\d+\.\d\d +\d+\.\d\d$/m.test(stdout)]).toEqual([0, true]);
  const refused = run('--certificates', 'many');
  expect([refused.status, refused.stderr]).toEqual([2, 'cost: --certificates must be a whole number, not "many"\n']);
  expect(run('--context', '{"edeg": 1}').stderr).toMatch(/^cost: the CDK context is not valid: certctl: Unrecognized key: "edeg"\n$/);
});
