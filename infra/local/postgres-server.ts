import { spawn, type ChildProcess } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { ownerRole, type Account } from './data-folder.ts';
import { postgresReason } from './postgres-reason.ts';

/** Where a server finds itself, and whom it runs as. */
export interface ServerPlace {
  /** Folder with PostgreSQL's programs. */
  readonly programs: string;
  readonly dataFolder: string;
  readonly account: Account | undefined;
  /** Takes its messages. */
  readonly log: (line: string) => void;
}

export interface ServerOptions extends ServerPlace {
  /** 5432, which names no more than its socket unless the settings say otherwise. */
  readonly port?: number | undefined;
  /** They win over those of every server. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

export interface Server {
  /** Folder of the socket, which is what clients take for a host. */
  readonly socketFolder: string;
  readonly pid: number;
  /** False when it had to be ended before it was done. */
  stop(): Promise<boolean>;
}

const databaseName = 'certctl';
const noSuchDatabase = '3D000';

/**
 * Starts a server on a data folder, and makes its database when there is none.
 *
 * @throws {Error} with PostgreSQL's own reason
 */
export async function startServer({ programs, dataFolder, account, log, port = 5432, settings = {} }: ServerOptions): Promise<Server> {
  const socketFolder = mkdtempSync(join(tmpdir(), 'certctl-pg-'));
  if (account !== undefined) chownSync(socketFolder, account.uid, account.gid);
  const child = spawn(join(programs, 'bin', 'postgres'), serverArguments(dataFolder, socketFolder, settings), {
    ...account,
    cwd: '/',
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin', TZ: 'UTC' },
    stdio: ['ignore', 'ignore', 'pipe'],
    // Ctrl-C in a terminal reaches the whole group; PostgreSQL goes last, when nobody is connected any more.
    detached: true,
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = `${said}${text}`.slice(-8192);
    log(text);
  });
  try {
    await untilReady(child, socketFolder, port, () => postgresReason(said));
  } catch (error) {
    child.kill('SIGKILL');
    rmSync(socketFolder, { recursive: true, force: true });
    throw error;
  }
  return {
    socketFolder,
    pid: child.pid ?? 0,
    async stop() {
      // Fast: ends sessions, writes a checkpoint. If that takes too long, the log does the rest at the next start.
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGQUIT'), 2000);
      const code = await ended;
      clearTimeout(timer);
      rmSync(socketFolder, { recursive: true, force: true });
      return code === 0;
    },
  };
}

function serverArguments(dataFolder: string, socketFolder: string, more: Readonly<Record<string, string>>): readonly string[] {
  const settings = {
    listen_addresses: '',
    unix_socket_directories: socketFolder,
    unix_socket_permissions: '0700',
    max_connections: '100',
    shared_buffers: '64MB',
    jit: 'off',
    max_wal_size: '512MB',
    log_min_messages: 'warning',
    log_min_error_statement: 'panic',
    // Details of an error are values of rows.
    log_error_verbosity: 'terse',
    timezone: 'UTC',
    ...more,
  };
  return ['-D', dataFolder, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
}

/** Until the database answers, which is made when the server has none. */
async function untilReady(child: ChildProcess, socketFolder: string, port: number, reason: () => string): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    if (child.exitCode !== null || child.pid === undefined) throw new Error(`PostgreSQL ended: ${reason()}`);
    try {
      await connected(socketFolder, port, databaseName, () => undefined);
      return;
    } catch (error) {
      if ((error as { code?: string }).code === noSuchDatabase)
        await connected(socketFolder, port, 'postgres', (client) => client.query(`CREATE DATABASE ${databaseName}`));
      else if (Date.now() > deadline) throw error;
      else await new Promise((resolve) => setTimeout(resolve, 15));
    }
  }
}

async function connected(host: string, port: number, database: string, work: (client: pg.Client) => unknown): Promise<void> {
  const client = new pg.Client({ host, port, user: ownerRole, database });
  try {
    await client.connect();
    await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
