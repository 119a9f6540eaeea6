import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { ownerRole } from '#infra/local/data-folder.ts';
import { startPostgres } from '#infra/local/postgres.ts';
import { root } from '../platform.ts';
import type { RunnerReport } from './apply.ts';

/** A PostgreSQL of the test's own, with a database for each test. */
export interface TestServer {
  readonly socketFolder: string;
  /** A new, empty database. */
  database(): Promise<string>;
  connect(database: string): Promise<pg.Client>;
  /** A folder with migrations: files of the test, or the first so many of the release. */
  folder(files: Readonly<Record<string, string>> | number): string;
  stop(): Promise<void>;
}

export const releaseFolder = join(root, 'migrations');
export const releaseFiles = readdirSync(releaseFolder).sort();

export async function startServer(): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'certctl-migrate-'));
  const postgres = await startPostgres(
    join(folder, 'postgres'),
    join('/var/tmp', `certctl-migrate-${process.pid}`, 'postgres'),
    () => undefined,
  );
  const clients: pg.Client[] = [];
  let made = 0;
  const connect = async (database: string): Promise<pg.Client> => {
    const client = new pg.Client({ host: postgres.socketFolder, user: ownerRole, database });
    // What a test kills is noticed where it is used.
    client.on('error', () => undefined);
    await client.connect();
    clients.push(client);
    return client;
  };
  return {
    socketFolder: postgres.socketFolder,
    connect,
    async database() {
      const name = `t${made++}`;
      const client = await connect('postgres');
      await client.query(`CREATE DATABASE ${name}`);
      return name;
    },
    folder(files) {
      const made = join(folder, `files-${readdirSync(folder).length}`);
      mkdirSync(made);
      const wanted =
        typeof files === 'number'
          ? Object.fromEntries(releaseFiles.slice(0, files).map((name) => [name, readFileSync(join(releaseFolder, name), 'utf8')]))
          : files;
      for (const [name, content] of Object.entries(wanted)) writeFileSync(join(made, name), content);
      return made;
    },
    async stop() {
      await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
      await postgres.stop();
      rmSync(folder, { recursive: true, force: true });
      if (!postgres.dataFolder.startsWith(folder)) rmSync(join(postgres.dataFolder, '..'), { recursive: true, force: true });
    },
  };
}

export interface Runner {
  readonly process: ChildProcess;
  /** What it said at its end; undefined when it was killed. */
  readonly report: Promise<RunnerReport | undefined>;
}

/** Starts a runner in a process of its own. @param lockMs how long it waits for the lock */
export function startRunner(server: TestServer, database: string, folder: string, lockMs = 60_000): Runner {
  const args = [join(import.meta.dirname, 'apply.ts'), server.socketFolder, database, folder, String(lockMs)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const report = new Promise<RunnerReport | undefined>((resolve) =>
    child.once('close', () => resolve(said === '' ? undefined : (JSON.parse(said) as RunnerReport))),
  );
  return { process: child, report };
}

/** The ledger, as text. */
export async function ledgerOf(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ version: string }>('SELECT version FROM schema_migrations ORDER BY version');
  return rows.map((row) => row.version);
}

export async function tablesOf(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname NOT LIKE 'schema_%' ORDER BY 1`,
  );
  return rows.map((row) => row.name);
}
