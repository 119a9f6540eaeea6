import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownTable } from '../limits/table.ts';

export interface Measured {
  readonly what: string;
  readonly perSecond: number;
  readonly p50ms: number;
  readonly p99ms: number;
  readonly note: string;
}

const seconds = 4;

/** Decisions per second in the local store, and what the store does by itself. */
export async function measureLimiter(): Promise<readonly Measured[]> {
  const folder = mkdtempSync(join(tmpdir(), 'certctl-bench-limits-'));
  const table = await ownTable(join(folder, 'dynamodb.log'));
  try {
    return [
      await measured('local store, conditional updates', 'updates', 32, 'goal 6000/s; the client is not the SDK'),
      await measured('limiter, decisions in parallel', 'decisions', 16, 'SDK and store on the same cores'),
      await measured('limiter, decisions one by one', 'decisions', 1, 'each one write'),
    ];
  } finally {
    await table.stop();
    rmSync(folder, { recursive: true, force: true });
  }

  async function measured(what: string, kind: string, concurrency: number, note: string): Promise<Measured> {
    const args = [kind, table.endpoint, table.name, String(concurrency), String(seconds)];
    const child = spawn(process.execPath, [join(import.meta.dirname, 'limiter-load.ts'), ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    await new Promise((resolve) => child.once('close', resolve));
    return { what, ...(JSON.parse(said) as Pick<Measured, 'perSecond' | 'p50ms' | 'p99ms'>), note };
  }
}
