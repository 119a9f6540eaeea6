import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { keepFolder, unpackKept } from './kept-folder.ts';
import { postgresReason } from './postgres-reason.ts';

/** Whom PostgreSQL runs as, when it is not us. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** What a new database begins with. */
export interface Schema {
  /** Names everything that it depends on. */
  readonly key: string;
  /** Makes it in an empty database: what every home begins with, and nothing of one. False when that did not work. */
  apply(socketFolder: string): Promise<boolean>;
}

/** How a data folder is made. */
export interface Making {
  /** Undefined: the database stays empty. */
  readonly schema?: (() => Promise<Schema>) | undefined;
  /** Runs a server on the folder for as long as some work takes. True when that worked, and the server ended as it should. */
  readonly serving: (work: (socketFolder: string) => Promise<boolean>) => Promise<boolean>;
  /** Where the folders of former makings are kept. */
  readonly keptIn?: string | undefined;
}

export const ownerRole = 'certctl_owner';

const initArguments = ['-U', ownerRole, '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-instructions', '--no-sync'];
const quiet = { cwd: '/', env: { LC_ALL: 'C', PATH: '/usr/bin:/bin', TZ: 'UTC' } };

/**
 * Fills an empty folder as a data folder of PostgreSQL, with the schema when there is one to begin with. Making one takes ten times as long as copying, so the
 * first is kept in `.build`, and later ones are copies of it. What is kept was nobody's home yet: it holds no key, no token and no name of one.
 *
 * @throws {Error} with PostgreSQL's last line
 */
export async function makeDataFolder(programs: string, folder: string, account: Account | undefined, making: Making): Promise<void> {
  const keptIn = making.keptIn ?? join(import.meta.dirname, '..', '..', '.build');
  const tag = tagOf(programs, account);
  const empty = join(keptIn, `postgres-${tag}.tar`);
  const makeEmpty = async (): Promise<void> => {
    const { status, reason } = await run(join(programs, 'bin', 'initdb'), ['-D', folder, ...initArguments], account);
    if (status !== 0) throw new Error(`the database cannot be made: ${reason}`);
    await keepFolder(folder, empty);
  };
  const isFirst = !existsSync(empty);
  // Nothing was kept here: what the schema waits for may take a while.
  if (isFirst) await makeEmpty();
  const schema = await making.schema?.();
  const withSchema = schema && join(keptIn, `schema-${hashOf(tag, schema.key)}.tar`);
  if (!isFirst) {
    if (withSchema !== undefined && (await unpackKept(folder, withSchema))) return;
    if (!(await unpackKept(folder, empty))) await makeEmpty();
  }
  if (schema === undefined || withSchema === undefined) return;
  if (await making.serving((socketFolder) => schema.apply(socketFolder))) await keepFolder(folder, withSchema);
}

/**
 * Waits until a data folder that was made is on the disk. Its server may run meanwhile: what that writes it synchronizes itself.
 *
 * @param signal ends the waiting; the system then writes when it likes
 */
export async function putOnDisk(programs: string, folder: string, account: Account | undefined, signal: AbortSignal): Promise<void> {
  await run(join(programs, 'bin', 'initdb'), ['-D', folder, '--sync-only'], account, signal);
}

function tagOf(programs: string, account: Account | undefined): string {
  const sizes = ['initdb', 'postgres'].map((name) => String(statSync(join(programs, 'bin', name)).size));
  return hashOf(...initArguments, String(account?.uid ?? process.getuid?.() ?? 0), ...sizes, readFileSync(join(programs, 'bin', 'initdb')));
}

function hashOf(...parts: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part).update('\0');
  return hash.digest('hex').slice(0, 16);
}

interface Ended {
  readonly status: number | null;
  readonly reason: string;
}

function run(program: string, args: readonly string[], account: Account | undefined, signal?: AbortSignal): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { ...quiet, ...account, ...(signal && { signal }), stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.once('error', (error) => resolve({ status: null, reason: error.message }));
    child.once('close', (status) => resolve({ status, reason: postgresReason(said) }));
  });
}
