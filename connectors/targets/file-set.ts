import { createHash, randomInt } from 'node:crypto';
import { constants, link, lstat, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as z from 'zod';
import { TargetFailure, reasonOf } from './failure.ts';
import type { FileOwner } from './file-owner.ts';

/** A file as a target wants it. */
export interface WantedFile {
  readonly path: string;
  readonly content: Buffer;
  /** Holds a private key. */
  readonly secret: boolean;
  /** As the configuration says; else that of the file that is there, else 0644, and 0600 for a key. */
  readonly mode: number | undefined;
  readonly owner: FileOwner | undefined;
}

/** What is needed to put a file in place and to take it back, without its content. */
export const fileRecordSchema = z.object({
  path: z.string(),
  temp: z.string(),
  backup: z.string(),
  secret: z.boolean(),
  mode: z.int(),
  uid: z.int().optional(),
  gid: z.int().optional(),
  /** Whether the configuration names the owner, so that failing to give the file away is a failure. */
  ownerRequired: z.boolean(),
  /** Lower-case hex; `null` when there was no file. */
  oldSha256: z.string().nullable(),
  newSha256: z.string(),
});
export type FileRecord = Readonly<z.infer<typeof fileRecordSchema>>;

const backupMark = 'certctl-bak';
const tempMark = 'certctl-tmp';

/** Looks at what is there and settles names, modes and owners; changes nothing. */
export async function planFiles(files: readonly WantedFile[]): Promise<readonly FileRecord[]> {
  const stamp = `${Date.now()}${String(randomInt(1_000_000)).padStart(6, '0')}`;
  return Promise.all(files.map((file) => planFile(file, stamp)));
}

async function planFile({ path, content, secret, mode, owner }: WantedFile, stamp: string): Promise<FileRecord> {
  const existing = await stat(path).catch(() => undefined);
  const kept = existing && existing.mode & 0o777;
  // A key that anybody may read is not left so.
  const keptMode = kept !== undefined && secret ? kept & 0o770 : kept;
  return {
    path,
    temp: beside(path, tempMark, stamp),
    backup: beside(path, backupMark, stamp),
    secret,
    mode: mode ?? keptMode ?? (secret ? 0o600 : 0o644),
    uid: owner?.uid ?? existing?.uid,
    gid: owner?.gid ?? existing?.gid,
    ownerRequired: owner !== undefined,
    oldSha256: await sha256Of(path),
    newSha256: createHash('sha256').update(content).digest('hex'),
  };
}

// Hidden, because some servers read every visible file of a folder (HAProxy's `crt` with a folder).
function beside(path: string, mark: string, stamp: string): string {
  return join(dirname(path), `.${basename(path)}.${mark}.${stamp}`);
}

/** Whether every file has its content, its mode and, where the configuration names one, its owner. */
export async function filesHold(records: readonly FileRecord[]): Promise<boolean> {
  for (const { path, mode, uid, gid, ownerRequired, newSha256 } of records) {
    const existing = await stat(path).catch(() => undefined);
    if (existing === undefined || (existing.mode & 0o777) !== mode) return false;
    if (ownerRequired && ((uid ?? existing.uid) !== existing.uid || (gid ?? existing.gid) !== existing.gid)) return false;
    if ((await sha256Of(path)) !== newSha256) return false;
  }
  return true;
}

/**
 * Keeps what is there under the backups' names and writes the new content beside it, with owner and mode, down to the disk.
 *
 * @throws {TargetFailure} `write`
 */
export async function stageFiles(records: readonly FileRecord[], contents: readonly Buffer[]): Promise<void> {
  for (const [at, record] of records.entries()) {
    try {
      if (record.oldSha256 !== null) await keep(record.path, record.backup);
      await writeTemp(record, contents[at] ?? Buffer.alloc(0));
    } catch (cause) {
      throw new TargetFailure('write', `${record.path} cannot be written: ${reasonOf(cause)}`, { cause });
    }
  }
}

/** Renames every new file over the old one. @throws {TargetFailure} `write` */
export async function commitFiles(records: readonly FileRecord[], before: (index: number) => void): Promise<void> {
  for (const [at, { path, temp }] of records.entries()) {
    before(at);
    try {
      await rename(temp, path);
    } catch (cause) {
      throw new TargetFailure('write', `${path} cannot be replaced: ${reasonOf(cause)}`, { cause });
    }
  }
  await syncFolders(records);
}

/**
 * Puts the old files back, in the order in which they were replaced, because a watcher waits for the last one; those that are back already are left. A file that is neither the old nor the new one was written by somebody
 * else and is not touched.
 *
 * @throws {TargetFailure} `rollback_failed`
 */
export async function restoreFiles(records: readonly FileRecord[], before: (index: number) => void): Promise<void> {
  const failures: string[] = [];
  for (const [at, record] of records.entries()) {
    before(at);
    try {
      await restoreFile(record);
    } catch (error) {
      failures.push(`${record.path}: ${reasonOf(error)}`);
    }
  }
  if (failures.length > 0) throw new TargetFailure('rollback_failed', `files could not be put back: ${failures.join('; ')}`);
  await syncFolders(records);
  await removeAll(records.map(({ temp }) => temp));
}

async function restoreFile({ path, backup, oldSha256, newSha256 }: FileRecord): Promise<void> {
  const present = await sha256Of(path);
  if (present === oldSha256) return removeAll([backup]);
  if (present !== null && present !== newSha256) throw new TargetFailure('rollback_failed', 'somebody else has changed it meanwhile');
  if (oldSha256 === null) await unlink(path);
  else await rename(backup, path);
}

/** Removes temporary files and backups of a change that was not made. */
export function discardFiles(records: readonly FileRecord[]): Promise<void> {
  return removeAll(records.flatMap(({ temp, backup }) => [temp, backup]));
}

/** Removes all but the newest backups of each file. @param retention how many stay; -1 all */
export async function pruneBackups(records: readonly FileRecord[], retention: number): Promise<void> {
  if (retention < 0) return;
  for (const { path } of records) {
    const start = `.${basename(path)}.${backupMark}.`;
    const names = (await readdir(dirname(path))).filter((name) => name.startsWith(start) && /^\d+$/.test(name.slice(start.length)));
    const surplus = names.sort().slice(0, Math.max(0, names.length - retention));
    await removeAll(surplus.map((name) => join(dirname(path), name)));
  }
}

/** The backups that are really there. */
export async function presentBackups(records: readonly FileRecord[]): Promise<string[]> {
  const found = await Promise.all(records.map(async ({ backup }) => ((await lstat(backup).catch(() => undefined)) ? [backup] : [])));
  return found.flat();
}

// A second name for the same file needs no space and keeps owner, mode and content; rolling back cannot meet a full disk.
async function keep(path: string, backup: string): Promise<void> {
  try {
    await link(path, backup);
  } catch {
    // A file of somebody else's, or a file system without links.
    const { mode, uid, gid } = await stat(path);
    await writeNewFile(backup, await readFile(path), { mode: mode & 0o777, uid, gid, ownerRequired: false });
  }
}

async function writeTemp(record: FileRecord, content: Buffer): Promise<void> {
  // A key given to the wrong account is worse than one not deployed; a certificate is public.
  await writeNewFile(record.temp, content, { ...record, ownerRequired: record.ownerRequired || record.secret });
}

/** Writes a file that must not be there yet, with owner and mode, down to the disk; until it is whole nobody else may read it. */
export async function writeNewFile(
  path: string,
  content: Buffer,
  { mode, uid, gid, ownerRequired = false }: Pick<FileRecord, 'mode'> & Partial<Pick<FileRecord, 'uid' | 'gid' | 'ownerRequired'>>,
): Promise<void> {
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
  try {
    await file.writeFile(content);
    const own = await file.stat();
    if ((uid ?? own.uid) !== own.uid || (gid ?? own.gid) !== own.gid)
      await file.chown(uid ?? own.uid, gid ?? own.gid).catch((error: unknown) => {
        if (ownerRequired) throw error;
      });
    await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolders(records: readonly FileRecord[]): Promise<void> {
  for (const folder of new Set(records.map(({ path }) => dirname(path)))) {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

async function removeAll(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await unlink(path).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    });
  }
}

async function sha256Of(path: string): Promise<string | null> {
  try {
    return createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new TargetFailure('write', `${path} cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}

/** The text of a file, empty when there is none. @throws when it is there and cannot be read: who may not look knows nothing of it */
export async function readIfThere(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  });
}
