import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MigrationFile {
  /** File name, e.g. `000001_profiles.up.sql`. */
  readonly version: string;
  /** SHA-256, hex, of the file's bytes. */
  readonly sha256: string;
  /** How long it may take, in milliseconds; it is not begun with less time left. */
  readonly budgetMs: number;
  /** The index that a file outside of a transaction makes or drops; undefined: the file runs in a transaction with its ledger row. */
  readonly concurrentIndex: ConcurrentIndex | undefined;
  readonly sql: string;
}

export interface ConcurrentIndex {
  readonly verb: 'create' | 'drop';
  readonly name: string;
}

const defaultBudgetSeconds = 60;
const longestBudgetSeconds = 600;
const fileName = /^(\d{6})_[a-z0-9_]+\.up\.sql$/;
const budget = /^-- budget: (\d{1,4}) s$/m;
const oneConcurrent =
  /^\s*(?:(CREATE)\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+([a-z_][a-z0-9_]*)\s+ON\s[^;]*|(DROP)\s+INDEX\s+CONCURRENTLY\s+IF\s+EXISTS\s+([a-z_][a-z0-9_]*)\s*);?\s*$/i;

/**
 * The migrations that came with this release. A file may say `-- budget: 120 s`; one that makes or drops an index CONCURRENTLY holds that one
 * statement.
 *
 * @throws {Error} when numbers are missing or double, when a file has carriage returns, which would change its hash, ends transactions itself, or
 *   hides a CONCURRENTLY among other statements
 */
export function readManifest(folder: string): readonly MigrationFile[] {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  return names.map((version, index) => {
    if (Number(fileName.exec(version)?.[1]) !== index + 1)
      throw new Error(`${version}: migrations are numbered 000001, 000002, … without gap or repeat, and end with .up.sql`);
    const content = readFileSync(join(folder, version));
    if (content.includes(0x0d)) throw new Error(`${version}: carriage returns`);
    const sql = content.toString('utf8');
    return {
      version,
      sha256: createHash('sha256').update(content).digest('hex'),
      budgetMs: budgetSeconds(version, sql) * 1000,
      concurrentIndex: concurrentIndex(version, sql),
      sql,
    };
  });
}

function budgetSeconds(version: string, sql: string): number {
  const seconds = Number(budget.exec(sql)?.[1] ?? defaultBudgetSeconds);
  if (seconds < 1 || seconds > longestBudgetSeconds)
    throw new Error(`${version}: a budget is 1 to ${longestBudgetSeconds} s; what takes longer is a job`);
  return seconds;
}

function concurrentIndex(version: string, sql: string): ConcurrentIndex | undefined {
  const statements = withoutTexts(sql);
  if (/(?:^|;)\s*(?:BEGIN|START\s+TRANSACTION|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|PREPARE\s+TRANSACTION)\b/i.test(statements))
    throw new Error(`${version}: the runner begins and ends the transaction`);
  if (!/\bCONCURRENTLY\b/i.test(statements)) return undefined;
  const [, create, made, , dropped] = oneConcurrent.exec(statements) ?? [];
  const name = made ?? dropped;
  if (name === undefined)
    throw new Error(
      `${version}: CONCURRENTLY stands alone: one CREATE INDEX CONCURRENTLY name ON …, or DROP INDEX CONCURRENTLY IF EXISTS name`,
    );
  return { verb: create === undefined ? 'drop' : 'create', name: name.toLowerCase() };
}

/** SQL without comments, and without what stands between quotes. */
function withoutTexts(sql: string): string {
  return sql.replace(/--[^\n]*|\/\*[\s\S]*?\*\/|(\$\w*\$)[\s\S]*?\1|'(?:[^']|'')*'/g, (text) =>
    text.startsWith('-') || text.startsWith('/') ? ' ' : "''",
  );
}
