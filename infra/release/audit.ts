import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

/** `npm run audit`: known faults of what is inside, less those that somebody looked at and wrote down. */
const root = join(import.meta.dirname, '..', '..');
const exceptionFile = join(root, 'docs/reference/audit-exceptions.json');

const exception = z.strictObject({
  /** As the advisory is called: GHSA-… */
  advisory: z.string().regex(/^GHSA(?:-[a-z0-9]{4}){3}$/),
  package: z.string().min(1),
  /** Why it does no harm here. */
  reason: z.string().min(20),
  /** When it must be looked at again, ISO 8601 date. */
  until: z.iso.date(),
});
export type AuditException = z.infer<typeof exception>;

const report = z.object({
  vulnerabilities: z.record(
    z.string(),
    z.object({ severity: z.string(), via: z.array(z.union([z.string(), z.object({ url: z.string(), title: z.string() })])) }),
  ),
});

/** Findings that no valid exception names, one line each. @throws {Error} when the answer is no report */
export function unexcepted(answer: unknown, exceptions: readonly AuditException[], today: string): readonly string[] {
  const { vulnerabilities } = report.parse(answer);
  return Object.entries(vulnerabilities).flatMap(([name, { severity, via }]) =>
    via.flatMap((source) => {
      // A name is another package of the report, which has an entry of its own.
      if (typeof source === 'string') return [];
      const advisory = source.url.split('/').at(-1) ?? '';
      const known = exceptions.some((one) => one.advisory === advisory && one.package === name && one.until >= today);
      return known ? [] : [`${severity} ${name}: ${source.title} (${advisory})`];
    }),
  );
}

/** The written exceptions. @throws {Error} when one lacks its reason or its end */
export function readExceptions(): readonly AuditException[] {
  return z.array(exception).parse(JSON.parse(readFileSync(exceptionFile, 'utf8')));
}

if (import.meta.main) {
  const { stdout } = spawnSync('npm', ['audit', '--json', '--omit=dev'], { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
  process.exitCode = judge(stdout);
}

/** 0: nothing found, 1: something found, 3: nobody could be asked, which is no pass. */
function judge(stdout: string): number {
  const answer: unknown = JSON.parse(stdout === '' ? '{}' : stdout);
  if (!report.safeParse(answer).success) {
    process.stderr.write(
      'audit: NOT ASKED: the registry gave no report, so nothing is known of new faults; run it where the registry answers\n',
    );
    return 3;
  }
  const found = unexcepted(answer, readExceptions(), new Date().toISOString().slice(0, 10));
  for (const line of found) process.stderr.write(`audit: ${line}\n`);
  process.stdout.write(`${found.length} findings without an exception\n`);
  return found.length === 0 ? 0 : 1;
}
