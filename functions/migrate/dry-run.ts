import type pg from 'pg';
import { failureOf } from './apply.ts';
import { standing } from './drift.ts';
import { createLedger, ledgerIfAny } from './ledger.ts';
import type { MigrationFile } from './manifest.ts';
import { holdingLock } from './migration-lock.ts';

/** What a dry run found. */
export interface DryRun {
  readonly wouldApply: readonly string[];
  /** Files that no transaction can hold: they were only read. */
  readonly notTried: readonly string[];
}

/**
 * Applies everything that is pending in one transaction, and rolls it back. For a restored snapshot: it holds the locks that the files take until
 * its end.
 *
 * @throws {Error} what a real run would fail with
 */
export async function dryRun(client: pg.ClientBase, manifest: readonly MigrationFile[], lockDeadline: number): Promise<DryRun> {
  return holdingLock(client, lockDeadline, async () => {
    const { pending, drift } = standing(await ledgerIfAny(client), manifest);
    if (drift.length > 0) throw new Error(drift.join('; '));
    await client.query('BEGIN');
    try {
      await client.query(`SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '10min'`);
      await createLedger(client);
      for (const file of pending) {
        if (file.concurrentIndex !== undefined) continue;
        try {
          await client.query(file.sql);
        } catch (error) {
          throw failureOf(file, error);
        }
      }
    } finally {
      await client.query('ROLLBACK').catch(() => undefined);
    }
    const notTried = pending.filter((file) => file.concurrentIndex !== undefined).map((file) => file.version);
    return { wouldApply: pending.map((file) => file.version), notTried };
  });
}
