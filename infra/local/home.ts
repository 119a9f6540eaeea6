import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Options } from './options.ts';
import { UsageError } from './usage-error.ts';

/** Where an instance keeps everything. */
export interface Home {
  readonly path: string;
  /** Trust anchor of the HTTPS front and of issued certificates, PEM, 0644. */
  readonly caFile: string;
  readonly tokenFile: string;
  /** Access keys for AWS's SDKs and CLI, 0600; there where AWS identities may call. */
  readonly awsCredentialsFile: string;
  /** 0700. */
  readonly keys: string;
  readonly state: string;
  readonly objects: string;
  readonly log: string;
  /** Nothing was here before. */
  readonly isNew: boolean;
  release(): void;
}

/** What a home remembers of its first start. */
export interface HomeRecord {
  readonly httpPort: number;
  /** Where PostgreSQL's data is, when its user cannot reach the home. */
  readonly database?: string;
  /** The custom resources' properties as they were last applied, by logical id. */
  readonly applied?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/**
 * Opens or makes the home and takes its lock.
 *
 * @throws {UsageError} when it is somebody else's or in use
 */
export function openHome(options: Options): Home {
  const path = options.ephemeral ? mkdtempSync(join(tmpdir(), 'certctl-')) : options.home;
  const isNew = !existsSync(join(path, 'home.json'));
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new UsageError(`the home ${path} cannot be made: ${(error as Error).message}`);
  }
  const { uid } = statSync(path);
  if (process.getuid !== undefined && uid !== process.getuid()) {
    throw new UsageError(`the home ${path} belongs to another user (uid ${uid}); choose another with --home`);
  }
  // Others may pass through to ca.pem, and PostgreSQL's user to its folder; nobody may look around.
  chmodSync(path, 0o711);
  const release = lock(path);
  const folder = (name: string): string => {
    const made = join(path, name);
    mkdirSync(made, { recursive: true, mode: 0o700 });
    chmodSync(made, 0o700);
    return made;
  };
  return {
    path,
    caFile: join(path, 'ca.pem'),
    tokenFile: join(path, 'admin-token'),
    awsCredentialsFile: join(path, 'aws-credentials'),
    keys: folder('keys'),
    state: folder('state'),
    objects: folder('objects'),
    log: folder('log'),
    isNew,
    release: () => {
      release();
      if (options.ephemeral) rmSync(path, { recursive: true, force: true });
    },
  };
}

export function readRecord(home: Home): HomeRecord | undefined {
  const file = join(home.path, 'home.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as HomeRecord) : undefined;
}

export function writeRecord(home: Home, record: HomeRecord): void {
  writeFileSync(join(home.path, 'home.json'), `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
}

/** A lock names its process and when that began, so that a dead one's lock, or a reused number, holds nobody up. */
function lock(path: string): () => void {
  const file = join(path, 'instance.lock');
  const mine = `${process.pid} ${bornAt(process.pid) ?? ''}\n`;
  for (;;) {
    try {
      writeFileSync(file, mine, { flag: 'wx', mode: 0o600 });
      break;
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') throw error;
      const [pid = '', born = ''] = readFileSync(file, 'utf8').trim().split(' ');
      if (pid !== '' && bornAt(Number(pid)) === born)
        throw new UsageError(`the home ${path} is in use by another instance (process ${pid})`);
      rmSync(file, { force: true });
    }
  }
  return () => {
    rmSync(file, { force: true });
  };
}

/** When a process began, in clock ticks since the machine's; undefined when there is none. */
function bornAt(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    if (existsSync('/proc/self/stat')) return undefined;
    try {
      process.kill(pid, 0);
      return '';
    } catch {
      return undefined;
    }
  }
}
