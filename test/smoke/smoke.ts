import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { smokeChecks } from './checks.ts';
import { help, readSmokeOptions, type SmokeOptions } from './options.ts';

/** `npm run smoke`: the same checks against `npm start`, the emulator and any deployed platform. */
try {
  const options = readSmokeOptions(process.argv.slice(2), process.env);
  if (options === 'help') process.stdout.write(help);
  else process.exitCode = await smoke(options);
} catch (error) {
  process.stderr.write(`smoke: ${(error as Error).message}\n`);
  process.exitCode = 2;
}

async function smoke(options: SmokeOptions): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'smoke-'));
  const results: { name: string; ok: boolean }[] = [];
  try {
    for (const check of smokeChecks(options, folder)) {
      const began = performance.now();
      const { ok, detail } = await check.run().then(
        (text) => ({ ok: true, detail: text }),
        (error: unknown) => ({ ok: false, detail: (error as Error).message }),
      );
      const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(5);
      process.stdout.write(`${ok ? 'ok    ' : 'FAILED'} ${seconds} s  ${check.name}: ${detail}\n`);
      results.push({ name: check.name, ok });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const failed = results.filter((result) => !result.ok).length;
  process.stdout.write(`${results.length - failed} passed, ${failed} failed\n`);
  if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(results, undefined, 2));
  return failed === 0 ? 0 : 1;
}
