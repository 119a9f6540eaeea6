import { fork } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { limits, type TakenLimit } from '#domain/limit/limits.ts';
import { rateOf } from '#domain/limit/shape.ts';
import { named, own, type TestTable } from './table.ts';

const backend = named[0] ?? own;
const processes = 6;
let table: TestTable;
beforeAll(async () => (table = await backend.open()));
afterAll(() => table.stop());

interface Report {
  readonly admitted: number;
  /** Milliseconds since the epoch of each admission. */
  readonly times: readonly number[];
}

/** All processes begin when the last of them is ready. */
async function together(limit: TakenLimit, cap: number, callers: number): Promise<Report> {
  const args = [table.endpoint, table.name, limit, String(cap), `${limit}-${cap}`, String(callers)];
  const children = Array.from({ length: processes }, () => fork(join(import.meta.dirname, 'caller.ts'), args, { execArgv: [] }));
  try {
    const message = (child: (typeof children)[number]): Promise<unknown> =>
      new Promise((resolve, reject) => {
        child.once('message', resolve);
        child.once('exit', (code) => reject(new Error(`a caller ended with ${String(code)}`)));
      });
    await Promise.all(children.map(message));
    const reports = children.map(message) as Promise<Report>[];
    for (const child of children) child.send('go');
    const all = await Promise.all(reports);
    return {
      admitted: all.reduce((sum, report) => sum + report.admitted, 0),
      times: all.flatMap((report) => report.times).sort((a, b) => a - b),
    };
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

test('callers in separate processes get exactly a strict cap', { timeout: 60_000 }, async () => {
  expect((await together('acme-new-account', 50, 40)).admitted).toBe(50);
});

test('callers in separate processes never get more than burst and rate give', { timeout: 60_000 }, async () => {
  const cap = 60;
  const report = await together('acme-new-order', cap, 40);
  // One order a minute drips in besides the burst.
  expect(report.admitted).toBeGreaterThanOrEqual(cap);
  expect(report.admitted).toBeLessThanOrEqual(cap + 1 + Math.floor((report.times.at(-1)! - report.times[0]!) / 60_000));
});

test('tokens that processes take in advance come out of the same cap', { timeout: 60_000 }, async () => {
  const cap = 300;
  const { intervalUs, burst } = rateOf(limits['ocsp-address'], cap);
  const report = await together('ocsp-address', cap, 200);
  const seconds = (report.times.at(-1)! - report.times[0]!) / 1000;
  expect(report.admitted).toBeGreaterThan(0);
  // What was charged before may be spent for a second more.
  expect(report.admitted).toBeLessThanOrEqual(burst + Math.floor(((seconds + 1) * 1_000_000) / intervalUs));
  expect(report.admitted).toBeLessThanOrEqual(cap);
});
