import type pg from 'pg';
import { migrate } from 'postgres-migrations';
import type { MigrationFile } from './manifest.ts';

/** Passed as text: a JavaScript number would round it. */
const lockId = '7283164759461502341';

export interface Applied {
  readonly applied: number;
  readonly total: number;
  readonly head: string;
  /** The ledger has migrations that this release does not know: a roll-back runs on the newer schema. */
  readonly ahead: boolean;
}

export interface ApplyOptions {
  readonly folder: string;
  readonly manifest: readonly MigrationFile[];
  readonly release: string;
  /** Milliseconds since the epoch; nobody waits for the lock beyond it. */
  readonly lockDeadline: number;
}

/**
 * Applies what is missing, one runner at a time, each file in a transaction of its own. Session-scoped lock: a runner that dies frees it.
 *
 * @throws {Error} on drift, on a lock that stays taken, and on a failing file, whose name begins the message
 */
export async function applyMigrations(client: pg.Client, options: ApplyOptions): Promise<Applied> {
  await lock(client, options.lockDeadline);
  try {
    await client.query(`SET lock_timeout = '5s'; SET statement_timeout = '10min'; SET idle_in_transaction_session_timeout = '60s'`);
    await createLedger(client);
    const known = await ledger(client);
    assertNoDrift(known, options.manifest);
    const ahead = [...known.keys()].some((version) => !options.manifest.some((file) => file.version === version));
    if (!ahead) await run(client, options, known);
    const after = await ledger(client);
    return {
      applied: after.size - known.size,
      total: after.size,
      head: [...after.keys()].sort().at(-1) ?? '',
      ahead,
    };
  } finally {
    await client.query('SELECT pg_advisory_unlock($1::bigint)', [lockId]).catch(() => undefined);
  }
}

async function run(client: pg.Client, options: ApplyOptions, known: ReadonlyMap<string, string>): Promise<void> {
  const started = Date.now();
  const failures: unknown[] = [];
  try {
    await migrate({ client: recording(client, failures) }, options.folder);
  } catch (error) {
    // What landed before the failing file is recorded; the failure itself is what matters.
    await copyLedger(client, options, known, started).catch(() => undefined);
    throw describe(error, failures[0], options.manifest);
  }
  await copyLedger(client, options, known, started);
}

/** The library keeps `migrations`; ours is the ledger that everything else reads. */
async function copyLedger(client: pg.Client, options: ApplyOptions, known: ReadonlyMap<string, string>, started: number): Promise<void> {
  const { rows } = await client.query<{ id: number; executed_at: Date }>('SELECT id, executed_at FROM migrations WHERE id > 0 ORDER BY id');
  for (const row of rows) {
    const file = options.manifest[row.id - 1];
    if (file === undefined || known.has(file.version)) continue;
    await client.query(
      `INSERT INTO schema_migrations (version, applied_at, sha256, duration_ms, release) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (version) DO NOTHING`,
      [file.version, row.executed_at, file.sha256, Date.now() - started, options.release],
    );
  }
  const ours = await client.query<{ n: string }>('SELECT count(*) AS n FROM schema_migrations');
  if (Number(ours.rows[0]?.n) !== rows.length) throw new Error('the two ledgers differ: schema_migrations and migrations');
}

async function lock(client: pg.Client, deadline: number): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1::bigint) AS locked', [lockId]);
    if (rows[0]?.locked === true) return;
    if (Date.now() > deadline) throw new Error('another migration holds the lock; try again later');
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function createLedger(client: pg.Client): Promise<void> {
  await client.query(`CREATE TABLE IF NOT EXISTS schema_migrations (
    version text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now(), sha256 text NOT NULL, duration_ms integer NOT NULL, release text NOT NULL)`);
}

async function ledger(client: pg.Client): Promise<ReadonlyMap<string, string>> {
  const { rows } = await client.query<{ version: string; sha256: string }>(
    'SELECT version, sha256 FROM schema_migrations ORDER BY version',
  );
  return new Map(rows.map((row) => [row.version, row.sha256]));
}

function assertNoDrift(known: ReadonlyMap<string, string>, manifest: readonly MigrationFile[]): void {
  const drifted = manifest.filter((file) => known.has(file.version) && known.get(file.version) !== file.sha256);
  if (drifted.length > 0) throw new Error(`checksum drift: ${drifted.map((file) => file.version).join(', ')}`);
}

/** The library keeps an error's text and loses its SQLSTATE; the first error of a statement is the one that counts. */
function recording(client: pg.Client, failures: unknown[]): pg.Client {
  const send = client.query.bind(client) as unknown as (...args: readonly unknown[]) => Promise<unknown>;
  const query = async (...args: readonly unknown[]): Promise<unknown> => {
    try {
      return await send(...args);
    } catch (error) {
      failures.push(error);
      throw error;
    }
  };
  return new Proxy(client, { get: (target, key) => (key === 'query' ? query : (Reflect.get(target, key) as unknown)) });
}

/** `<file>: <SQLSTATE> <message>`, and no statement: nobody outside needs to read it. */
function describe(error: unknown, statement: unknown, manifest: readonly MigrationFile[]): Error {
  const failed = /running '([^']+)'/.exec((error as Error).message)?.[1];
  const file = manifest.find(({ version }) => failed !== undefined && version.replace(/^\d+[_-]?/, '') === `${failed}.sql`)?.version;
  const { code, message } = (statement ?? error) as { code?: string; message?: string };
  const text = [code, (message ?? 'failed').split('\n')[0]].filter((part) => part !== undefined).join(' ');
  return new Error((file === undefined ? text : `${file}: ${text}`).slice(0, 1000), { cause: error });
}
