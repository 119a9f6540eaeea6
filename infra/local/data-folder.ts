import { spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { postgresReason } from './postgres-reason.ts';

/** Whom PostgreSQL runs as, when it is not us. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

export const ownerRole = 'certctl_owner';

const initArguments = ['-U', ownerRole, '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-instructions', '--no-sync'];
const quiet = { cwd: '/', env: { LC_ALL: 'C', PATH: '/usr/bin:/bin', TZ: 'UTC' } };

/**
 * Fills an empty folder as a data folder of PostgreSQL. Making one takes ten times as long as copying, so the first is kept in `.build`, and
 * later ones are copies of it.
 *
 * @throws {Error} with PostgreSQL's last line
 */
export async function makeDataFolder(programs: string, folder: string, account: Account | undefined): Promise<void> {
  const kept = join(import.meta.dirname, '..', '..', '.build', `postgres-${tagOf(programs, account)}`);
  if (existsSync(kept) && (await copied(kept, folder))) return;
  const { status, reason } = await run(join(programs, 'bin', 'initdb'), ['-D', folder, ...initArguments], account);
  if (status !== 0) throw new Error(`the database cannot be made: ${reason}`);
  await keep(folder, kept, account);
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
  const hash = createHash('sha256')
    .update(initArguments.join('\0'))
    .update(String(account?.uid ?? process.getuid?.() ?? 0));
  return hash
    .update(readFileSync(join(programs, 'bin', 'initdb')))
    .digest('hex')
    .slice(0, 16);
}

/** A folder that cannot be kept costs the next new home some time, and nothing else. */
async function keep(folder: string, kept: string, account: Account | undefined): Promise<void> {
  const draft = `${kept}.${randomUUID()}`;
  try {
    mkdirSync(draft, { recursive: true, mode: 0o700 });
    if (account !== undefined) chownSync(draft, account.uid, account.gid);
    if (await copied(folder, draft)) renameSync(draft, kept);
  } catch {
    // Somebody else kept one meanwhile, or nothing can be written there.
  }
  rmSync(draft, { recursive: true, force: true });
}

/** False when it did not work; `to` is then empty again. */
async function copied(from: string, to: string): Promise<boolean> {
  const { status } = await run('cp', ['-a', `${from}/.`, to], undefined);
  if (status === 0 && existsSync(join(to, 'PG_VERSION'))) return true;
  for (const name of readdirSync(to)) rmSync(join(to, name), { recursive: true, force: true });
  return false;
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
