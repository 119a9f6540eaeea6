import { closeSync, existsSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { Item } from './value.ts';

/** Tables in memory, every change in a file before it is answered. */
export interface TableStore {
  has(table: string): boolean;
  get(table: string, pk: string): Item | undefined;
  put(table: string, pk: string, text: string): void;
  delete(table: string, pk: string): void;
  /** Resolves when everything that was changed so far is in the file. */
  written(): Promise<void>;
  /** Forgets items whose time is over. @param seconds since the epoch */
  expire(seconds: number): void;
  close(): void;
}

export interface TableSpec {
  readonly name: string;
  readonly ttl: string | undefined;
}

type Tables = ReadonlyMap<string, Map<string, string>>;

// The log is rewritten when most of it is history.
const compactAboveBytes = 32 * 1024 * 1024;
const compactAboveTimesLive = 4;

/**
 * Opens the tables of a log, which is rewritten without what is gone. Changes of one turn of the event loop share one write; a line cut off by
 * a crash was never answered and is dropped.
 *
 * @param file undefined: nothing is kept
 */
export function openTables(specs: readonly TableSpec[], file: string | undefined): TableStore {
  // Items are kept as their JSON: a spent nonce is one short string, not five objects.
  const tables: Tables = new Map(specs.map((spec) => [spec.name, new Map<string, string>()]));
  const log = file === undefined ? undefined : openLog(tables, file);
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
    put(table, pk, text) {
      rows(table).set(pk, text);
      log?.append(line(table, pk, text));
    },
    delete(table, pk) {
      if (rows(table).delete(pk)) log?.append(line(table, pk, undefined));
    },
    written: () => log?.written() ?? Promise.resolve(),
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
    close: () => log?.close(),
  };
}

interface Log {
  append(line: string): void;
  written(): Promise<void>;
  close(): void;
}

function openLog(tables: Tables, file: string): Log {
  load(tables, file);
  let { descriptor, bytes: live } = rewritten(tables, file);
  let size = live;
  let waiting: string[] = [];
  let flush: Promise<void> | undefined;
  const write = (): void => {
    flush = undefined;
    if (waiting.length === 0) return;
    const text = waiting.join('');
    waiting = [];
    size += writeAll(descriptor, text);
    if (size < compactAboveBytes || size < live * compactAboveTimesLive) return;
    closeSync(descriptor);
    ({ descriptor, bytes: live } = rewritten(tables, file));
    size = live;
  };
  return {
    append: (text) => void waiting.push(text),
    written() {
      if (waiting.length === 0 && flush === undefined) return Promise.resolve();
      flush ??= setImmediate().then(write);
      return flush;
    },
    close() {
      write();
      closeSync(descriptor);
    },
  };
}

/** The file with what there is now, replaced in one step and open for more. */
function rewritten(tables: Tables, file: string): { descriptor: number; bytes: number } {
  const draft = `${file}.new`;
  const descriptor = openSync(draft, 'w', 0o600);
  let bytes = 0;
  for (const [table, items] of tables) {
    let lines: string[] = [];
    const write = (): void => {
      bytes += writeAll(descriptor, lines.join(''));
      lines = [];
    };
    for (const [pk, text] of items) {
      lines.push(line(table, pk, text));
      if (lines.length === 10_000) write();
    }
    write();
  }
  renameSync(draft, file);
  return { descriptor, bytes };
}

function line(table: string, pk: string, text: string | undefined): string {
  return `[${JSON.stringify(table)},${JSON.stringify(pk)}${text === undefined ? '' : `,${text}`}]\n`;
}

function writeAll(descriptor: number, text: string): number {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
  return bytes.length;
}

function load(tables: Tables, file: string): void {
  if (!existsSync(file)) return;
  for (const text of linesOf(file)) {
    let entry: readonly [string, string, Item?];
    try {
      entry = JSON.parse(text) as typeof entry;
    } catch {
      continue;
    }
    const [table, pk, item] = entry;
    if (item === undefined) tables.get(table)?.delete(pk);
    else tables.get(table)?.set(pk, JSON.stringify(item));
  }
}

/** Line by line: a log may be longer than the longest string. */
function* linesOf(file: string): Generator<string> {
  const descriptor = openSync(file, 'r');
  try {
    const chunk = Buffer.alloc(1024 * 1024);
    let rest = Buffer.alloc(0);
    for (let length = readSync(descriptor, chunk); length > 0; length = readSync(descriptor, chunk)) {
      const text = Buffer.concat([rest, chunk.subarray(0, length)]);
      let from = 0;
      for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10, from)) {
        yield text.toString('utf8', from, end);
        from = end + 1;
      }
      rest = Buffer.from(text.subarray(from));
    }
    if (rest.length > 0) yield rest.toString('utf8');
  } finally {
    closeSync(descriptor);
  }
}
