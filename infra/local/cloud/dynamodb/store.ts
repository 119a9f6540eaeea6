import { appendFileSync, closeSync, existsSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import type { Item } from './value.ts';

/** Tables in memory, every change appended to a file before it is answered. */
export interface TableStore {
  has(table: string): boolean;
  get(table: string, pk: string): Item | undefined;
  exists(table: string, pk: string): boolean;
  put(table: string, pk: string, item: Item): void;
  delete(table: string, pk: string): void;
  /** Forgets items whose time is over. @param seconds since the epoch */
  expire(seconds: number): void;
  close(): void;
}

export interface TableSpec {
  readonly name: string;
  readonly ttl: string | undefined;
}

/**
 * Opens the tables of a log, which is rewritten without what is gone. A line cut off by a crash was never answered and is dropped.
 *
 * @param file undefined: nothing is kept
 */
export function openTables(specs: readonly TableSpec[], file: string | undefined): TableStore {
  // Items are kept as their JSON: a spent nonce is one short string, not five objects.
  const tables = new Map(specs.map((spec) => [spec.name, new Map<string, string>()]));
  if (file !== undefined) {
    load(tables, file);
    compact(tables, file);
  }
  const log = file === undefined ? undefined : openSync(file, 'a', 0o600);
  const record = (entry: readonly unknown[]): void => {
    if (log !== undefined) writeSync(log, `${JSON.stringify(entry)}\n`);
  };
  const rows = (table: string): Map<string, string> => {
    const found = tables.get(table);
    if (found === undefined) throw new Error(`no table ${table}`);
    return found;
  };
  return {
    has: (table) => tables.has(table),
    get(table, pk) {
      const text = rows(table).get(pk);
      return text === undefined ? undefined : (JSON.parse(text) as Item);
    },
    exists: (table, pk) => rows(table).has(pk),
    put(table, pk, item) {
      rows(table).set(pk, JSON.stringify(item));
      record([table, pk, item]);
    },
    delete(table, pk) {
      if (rows(table).delete(pk)) record([table, pk]);
    },
    expire(seconds) {
      for (const { name, ttl } of specs) {
        if (ttl === undefined) continue;
        const table = rows(name);
        for (const [pk, text] of table) {
          const end = (JSON.parse(text) as Item)[ttl];
          // Nothing is recorded: an expired item that comes back with the log expires again.
          if (end !== undefined && 'N' in end && Number(end.N) < seconds) table.delete(pk);
        }
      }
    },
    close() {
      if (log !== undefined) closeSync(log);
    },
  };
}

function load(tables: ReadonlyMap<string, Map<string, string>>, file: string): void {
  if (!existsSync(file)) return;
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    let entry: readonly [string, string, Item?];
    try {
      entry = JSON.parse(line) as typeof entry;
    } catch {
      continue;
    }
    const [table, pk, item] = entry;
    if (item === undefined) tables.get(table)?.delete(pk);
    else tables.get(table)?.set(pk, JSON.stringify(item));
  }
}

function compact(tables: ReadonlyMap<string, ReadonlyMap<string, string>>, file: string): void {
  const draft = `${file}.new`;
  writeFileSync(draft, '', { mode: 0o600 });
  for (const [table, items] of tables) {
    let lines = '';
    for (const [pk, text] of items) lines += `[${JSON.stringify(table)},${JSON.stringify(pk)},${text}]\n`;
    appendFileSync(draft, lines);
  }
  renameSync(draft, file);
}
