import type pg from 'pg';
import type { MigrationFile } from './manifest.ts';
import { holdingLock } from './migration-lock.ts';

/** An operator's word that an applied file's new content is what the schema already is. */
export interface Repair {
  readonly file: string;
  /** SHA-256, hex: as the ledger has it. */
  readonly oldHash: string;
  /** SHA-256, hex: as the release has it. */
  readonly newHash: string;
  /** Who says so. */
  readonly actor: string;
}

/**
 * Corrects one hash of the ledger, with an audit row in the same commit. Runs nothing.
 *
 * @throws {Error} when the ledger or the release has another hash than named
 */
export async function repair(
  client: pg.ClientBase,
  manifest: readonly MigrationFile[],
  wanted: Repair,
  lockDeadline: number,
): Promise<{ readonly repaired: string }> {
  if (manifest.find((file) => file.version === wanted.file)?.sha256 !== wanted.newHash)
    throw new Error(`${wanted.file}: this release has no such file, or another hash than newHash`);
  return holdingLock(client, lockDeadline, async () => {
    await client.query('BEGIN');
    try {
      const { rowCount } = await client.query('UPDATE schema_migrations SET sha256 = $3 WHERE version = $1 AND sha256 = $2', [
        wanted.file,
        wanted.oldHash,
        wanted.newHash,
      ]);
      if (rowCount !== 1) throw new Error(`${wanted.file}: not applied, or the ledger has another hash than oldHash`);
      await client.query(
        `INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
         VALUES ($1, 'User', 'schema_ledger_repaired', 'schema_migration', $2, $3, 'config')`,
        [wanted.actor, wanted.file, JSON.stringify({ oldHash: wanted.oldHash, newHash: wanted.newHash })],
      );
      await client.query('COMMIT');
      return { repaired: wanted.file };
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  });
}
