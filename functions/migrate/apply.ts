import type pg from 'pg';
import { standing } from './drift.ts';
import { recordedFingerprint, recordFingerprint } from './fingerprint.ts';
import { adoptFormerLedger, createLedger, headOf, readLedger, record } from './ledger.ts';
import type { MigrationFile } from './manifest.ts';
import { holdingLock } from './migration-lock.ts';

export interface Applied {
  /** By this run. */
  readonly applied: number;
  readonly total: number;
  readonly head: string;
  /** The ledger has migrations that this release does not know: a roll-back runs on the newer schema. */
  readonly ahead: boolean;
}

export interface ApplyOptions {
  readonly manifest: readonly MigrationFile[];
  readonly release: string;
  /** Milliseconds since the epoch; nobody waits for the lock beyond it. */
  readonly lockDeadline: number;
  /** How many milliseconds are left for everything. */
  readonly remainingMs: () => number;
  /** Told of every file that was applied. */
  readonly done?: (file: MigrationFile, milliseconds: number) => void;
  /** Told how many files are left, whenever that changes. */
  readonly left?: (files: number) => void;
}

/** What is kept back of the time that is left: for the roles, the seed and the answer. */
const reserveMs = 60_000;
const lockTries = 5;
const firstPauseMs = 500;
const settings = `SET lock_timeout = '5s'; SET statement_timeout = '10min'; SET idle_in_transaction_session_timeout = '60s'`;

/** A migration that failed: its message is `<file>: <SQLSTATE> <what PostgreSQL says>`, never a statement. */
export class MigrationFailed extends Error {
  override readonly name = 'MigrationFailed';
}

/**
 * Applies what is missing, one runner at a time, each file in one transaction with its ledger row.
 *
 * @param client one connection, not pooled: the lock lives with it
 * @throws {MigrationFailed} on a failing file; those before it are applied, it is not
 * @throws {Error} on drift, on a lock that stays taken, and when the time does not suffice
 */
export async function applyMigrations(client: pg.ClientBase, options: ApplyOptions): Promise<Applied> {
  return holdingLock(client, options.lockDeadline, async () => {
    await client.query(settings);
    // A server that notices a dead runner ends its statement, and frees the lock; one that cannot waits for the statement's end.
    await client.query(`SET client_connection_check_interval = '2s'`).catch(() => undefined);
    await createLedger(client);
    await adoptFormerLedger(client, options.manifest, options.release);
    const before = await readLedger(client);
    const { pending, ahead, drift } = standing(before, options.manifest);
    if (drift.length > 0) throw new Error(drift.join('; '));
    options.left?.(pending.length);
    for (const [index, file] of pending.entries()) {
      if (file.budgetMs > options.remainingMs() - reserveMs)
        throw new Error(`insufficient time, ${index} of ${pending.length} applied; deploy again to continue`);
      await applyFile(client, file, options);
      options.left?.(pending.length - index - 1);
    }
    const ledger = pending.length === 0 ? before : await readLedger(client);
    const head = headOf(ledger);
    if (pending.length > 0 || (!ahead && (await recordedFingerprint(client, head)) === undefined))
      await recordFingerprint(client, head, options.release);
    return { applied: pending.length, total: ledger.size, head, ahead };
  });
}

/** A file that cannot get a table's lock would make everybody behind it wait: it gives up soon, and tries again. */
async function applyFile(client: pg.ClientBase, file: MigrationFile, options: ApplyOptions): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const began = performance.now();
      await (file.concurrentIndex === undefined
        ? inTransaction(client, file, options.release)
        : concurrently(client, file, options.release));
      options.done?.(file, performance.now() - began);
      return;
    } catch (error) {
      const isLocked = ['55P03', '40P01'].includes((error as { code?: string }).code ?? '');
      if (!isLocked || attempt === lockTries) throw failureOf(file, error);
      await new Promise((resolve) => setTimeout(resolve, firstPauseMs * 2 ** (attempt - 1)));
    }
  }
}

/** The file and its row, or neither. */
async function inTransaction(client: pg.ClientBase, file: MigrationFile, release: string): Promise<void> {
  await client.query('BEGIN');
  try {
    const began = performance.now();
    await client.query(file.sql);
    await record(client, file, performance.now() - began, release);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/**
 * One index, built or dropped while others write, which no transaction can hold. Whoever was killed at it left an INVALID index, or a valid one without a
 * row: the one is dropped, the other recorded.
 */
async function concurrently(client: pg.ClientBase, file: MigrationFile, release: string): Promise<void> {
  const began = performance.now();
  const { verb, name } = file.concurrentIndex ?? { verb: 'drop', name: '' };
  const found = verb === 'create' ? await validityOf(client, name) : undefined;
  // Checked to be a plain identifier when the manifest was read.
  if (found === false) await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
  if (found !== true) await client.query(file.sql);
  await record(client, file, performance.now() - began, release);
}

async function validityOf(client: pg.ClientBase, name: string): Promise<boolean | undefined> {
  const { rows } = await client.query<{ indisvalid: boolean }>(
    `SELECT i.indisvalid FROM pg_index i WHERE i.indexrelid = to_regclass('public.' || quote_ident($1))`,
    [name],
  );
  return rows[0]?.indisvalid;
}

/** What may be said of a file that PostgreSQL refuses. */
export function failureOf(file: MigrationFile, error: unknown): MigrationFailed {
  const { code, message } = error as { code?: string; message?: string };
  const text = [code, (message ?? 'failed').split('\n')[0]].filter((part) => part !== undefined).join(' ');
  return new MigrationFailed(`${file.version}: ${text}`.slice(0, 1000), { cause: error });
}
