import { readManifest } from '#functions/migrate/manifest.ts';
import { applyMigrations } from '#functions/migrate/apply.ts';
import { releaseFolder, startServer } from '../migrate/server.ts';

const runs = 20;

/** Milliseconds that a run takes, from the connection to the answer: on an empty database, and when there is nothing to do (median and worst). */
export async function measureMigrations(): Promise<{ readonly first: number; readonly median: number; readonly worst: number }> {
  const server = await startServer();
  try {
    const database = await server.database();
    const times: number[] = [];
    for (let run = 0; run <= runs; run++) {
      const began = performance.now();
      const client = await server.connect(database);
      await applyMigrations(client, {
        manifest: readManifest(releaseFolder),
        release: 'bench',
        lockDeadline: Date.now() + 1000,
        remainingMs: () => 600_000,
      });
      await client.end();
      times.push(performance.now() - began);
    }
    const [first = 0, ...again] = times;
    again.sort((a, b) => a - b);
    return { first, median: again[Math.floor(runs / 2)] ?? 0, worst: again.at(-1) ?? 0 };
  } finally {
    await server.stop();
  }
}
