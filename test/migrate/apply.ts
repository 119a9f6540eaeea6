import pg from 'pg';
import { ownerRole } from '#infra/local/data-folder.ts';
import { applyMigrations } from '#functions/migrate/apply.ts';
import { readManifest } from '#functions/migrate/manifest.ts';

/** What a runner of this process did. */
export interface RunnerReport {
  readonly applied?: Awaited<ReturnType<typeof applyMigrations>>;
  readonly error?: string;
  readonly milliseconds: number;
}

// A runner in a process of its own, so that it can be killed. node apply.ts SOCKET_FOLDER DATABASE FOLDER LOCK_MS
async function run(host = '', database = '', folder = '', lockMs = '0'): Promise<RunnerReport> {
  const client = new pg.Client({ host, user: ownerRole, database, application_name: 'migrator/test' });
  client.on('error', () => undefined);
  const began = performance.now();
  const end = Date.now() + 600_000;
  try {
    await client.connect();
    const applied = await applyMigrations(client, {
      manifest: readManifest(folder),
      release: 'test',
      lockDeadline: Date.now() + Number(lockMs),
      remainingMs: () => end - Date.now(),
    });
    return { applied, milliseconds: performance.now() - began };
  } catch (error) {
    return { error: (error as Error).message, milliseconds: performance.now() - began };
  } finally {
    await client.end().catch(() => undefined);
  }
}

if (import.meta.main) {
  const report = await run(...process.argv.slice(2));
  process.stdout.write(JSON.stringify(report));
  process.exitCode = report.error === undefined ? 0 : 1;
}
