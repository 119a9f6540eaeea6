import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { MigrationFile } from './manifest.ts';

/** What was applied: SHA-256 by version, in order. */
export type Ledger = ReadonlyMap<string, string>;

/** Makes the tables that the runner itself needs. Both are there before the first migration. */
export async function createLedger(client: pg.ClientBase): Promise<void> {
  await client.query(`CREATE TABLE IF NOT EXISTS schema_migrations (
    version text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now(), sha256 text NOT NULL, duration_ms integer NOT NULL, release text NOT NULL)`);
  await client.query(`CREATE TABLE IF NOT EXISTS schema_fingerprints (
    head text PRIMARY KEY, fingerprint text NOT NULL, release text NOT NULL, recorded_at timestamptz NOT NULL DEFAULT now())`);
}

export async function readLedger(client: pg.ClientBase): Promise<Ledger> {
  const { rows } = await client.query<{ version: string; sha256: string }>(
    'SELECT version, sha256 FROM schema_migrations ORDER BY version',
  );
  return new Map(rows.map((row) => [row.version, row.sha256]));
}

/** As `readLedger`, on a database that may never have been migrated. */
export async function ledgerIfAny(client: pg.ClientBase): Promise<Ledger> {
  const { rows } = await client.query<{ there: boolean }>(`SELECT to_regclass('public.schema_migrations') IS NOT NULL AS there`);
  return rows[0]?.there === true ? readLedger(client) : new Map();
}

/** The version of the newest row; '' when there is none. */
export function headOf(ledger: Ledger): string {
  return [...ledger.keys()].at(-1) ?? '';
}

export async function record(client: pg.ClientBase, file: MigrationFile, durationMs: number, release: string): Promise<void> {
  await client.query('INSERT INTO schema_migrations (version, sha256, duration_ms, release) VALUES ($1, $2, $3, $4)', [
    file.version,
    file.sha256,
    Math.round(durationMs),
    release,
  ]);
}

/**
 * Releases until now kept a second ledger, `migrations`, and copied it into ours; one that was killed in between left ours behind. Its rows
 * are taken over, if their files are still the same.
 *
 * @throws {Error} `checksum drift` when one is not
 */
export async function adoptFormerLedger(client: pg.ClientBase, manifest: readonly MigrationFile[], release: string): Promise<void> {
  const { rows: tables } = await client.query<{ there: boolean }>(`SELECT to_regclass('public.migrations') IS NOT NULL AS there`);
  if (tables[0]?.there !== true) return;
  const { rows } = await client.query<{ id: number; hash: string; executed_at: Date }>(
    `SELECT id, hash, executed_at FROM public.migrations WHERE id > (SELECT count(*) FROM schema_migrations) ORDER BY id`,
  );
  for (const row of rows) {
    const file = manifest[row.id - 1];
    // A newer release's: its ledger is its own to repair.
    if (file === undefined) return;
    const former = createHash('sha1')
      .update(file.version + file.sql, 'utf8')
      .digest('hex');
    if (former !== row.hash) throw new Error(`checksum drift: ${file.version}`);
    await client.query('INSERT INTO schema_migrations (version, applied_at, sha256, duration_ms, release) VALUES ($1, $2, $3, 0, $4)', [
      file.version,
      row.executed_at,
      file.sha256,
      release,
    ]);
  }
}
