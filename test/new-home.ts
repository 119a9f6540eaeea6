import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';

const memory = '/dev/shm';
const prefix = 'certctl-test-';
/** Bytes that must be free, a hundred homes' worth: others want memory too. */
const room = 4 * 1024 ** 3;
/** After so many milliseconds a home is of a run that was killed. */
const forgottenMs = 6 * 3_600_000;

/**
 * A path for a home in a folder of its own: in memory where there is room. A home has 2,000 files that nobody wants on a disk, and a file system that has just removed as
 * many takes long to find room for the next.
 */
export function newHome(place = hasRoom() ? memory : tmpdir()): string {
  const folder = mkdtempSync(join(place, prefix));
  // PostgreSQL's user passes through.
  chmodSync(folder, 0o711);
  return join(folder, 'home');
}

function hasRoom(): boolean {
  if (!existsSync(memory)) return false;
  removeForgotten();
  const { bavail, bsize } = statfsSync(memory);
  return Math.min(bavail * bsize, freemem()) > room;
}

/** What lies in memory is not gone with the next cleaning of the disk. */
function removeForgotten(): void {
  for (const name of readdirSync(memory)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(memory, name);
    const made = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
    if (Date.now() - made > forgottenMs) rmSync(path, { recursive: true, force: true });
  }
}
