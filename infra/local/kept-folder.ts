import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';

/** How many of a kind stay: whoever goes back and forth between two releases finds both. */
const most = 3;
/** A draft of this age, in milliseconds, is of a process that was killed: none takes as long. */
const deadAfterMs = 3_600_000;
const sumBytes = 8;

/**
 * Keeps a folder as one file: an archive, and behind its end a checksum. The file appears as a whole or not at all. One that cannot be written costs whoever
 * wants it next some time, and nothing else.
 *
 * @param file `KIND-KEY.tar`; of its kind those that were used last stay beside it, the others go
 */
export async function keepFolder(folder: string, file: string): Promise<void> {
  const draft = `${file}.${randomUUID()}`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    if (await tar(['-C', folder, '-cf', draft, '.'])) {
      appendFileSync(draft, sumOf(draft));
      renameSync(draft, file);
      prune(file);
    }
    rmSync(draft, { force: true });
  } catch {
    // A full disk, or a folder that is somebody else's: what is left of the draft goes when it is old.
  }
}

/**
 * Fills an empty folder with what was kept.
 *
 * @returns false when there is nothing, or it is damaged; the folder is then empty again
 */
export async function unpackKept(folder: string, file: string): Promise<boolean> {
  let archive: number;
  try {
    archive = openSync(file, 'r');
  } catch {
    return false;
  }
  try {
    // Both by one handle: whoever replaces or removes the file meanwhile takes nothing away.
    const unpacking = tar(['-C', folder, '-xpf', '-'], archive);
    const isWhole = endsWithItsSum(archive);
    if ((await unpacking) && isWhole) {
      remember(file);
      return true;
    }
  } finally {
    closeSync(archive);
  }
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
  return false;
}

function remember(file: string): void {
  try {
    const now = new Date();
    utimesSync(file, now, now);
  } catch {
    // Gone by now, or of another user, who lets us read: then it goes sooner.
  }
}

/** Removes what was not used for longest, and what somebody left half-written. */
function prune(file: string): void {
  const [kind = ''] = basename(file).split('-');
  const found = readdirSync(dirname(file))
    .filter((name) => name.startsWith(`${kind}-`))
    .map((name) => ({ path: join(dirname(file), name), usedAt: statSync(join(dirname(file), name)).mtimeMs }))
    .toSorted((a, b) => b.usedAt - a.usedAt);
  const isKept = ({ path }: { path: string }): boolean => path.endsWith('.tar');
  const old = found.filter(isKept).slice(most);
  const dead = found.filter((one) => !isKept(one) && Date.now() - one.usedAt > deadAfterMs);
  for (const { path } of [...old, ...dead]) rmSync(path, { recursive: true, force: true });
}

function sumOf(file: string): string {
  const opened = openSync(file, 'r');
  try {
    return sumTo(opened, fstatSync(opened).size);
  } finally {
    closeSync(opened);
  }
}

function endsWithItsSum(opened: number): boolean {
  const end = fstatSync(opened).size - sumBytes;
  const said = Buffer.alloc(sumBytes);
  return end > 0 && readSync(opened, said, 0, sumBytes, end) === sumBytes && said.toString() === sumTo(opened, end);
}

/** CRC-32, 8 hex digits, of a file until `end`. */
function sumTo(opened: number, end: number): string {
  const part = Buffer.alloc(1_048_576);
  let sum = 0;
  for (let at = 0; at < end;) {
    const read = readSync(opened, part, 0, Math.min(part.length, end - at), at);
    if (read === 0) break;
    sum = crc32(part.subarray(0, read), sum);
    at += read;
  }
  return sum.toString(16).padStart(sumBytes, '0');
}

function tar(args: readonly string[], input?: number): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn('tar', args, {
      cwd: '/',
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
      stdio: [input ?? 'ignore', 'ignore', 'ignore'],
    });
    child.once('error', () => resolve(false));
    child.once('close', (status) => resolve(status === 0));
  });
}
