import { randomUUID } from 'node:crypto';
import { open, rename, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** A folder that is the agent's alone. */
export async function privateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

/** Writes a file that survives whatever comes next: beside, to the disk, then in place; 0600. */
export async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const beside = `${path}.${randomUUID()}.tmp`;
  await writeNew(beside, content);
  await rename(beside, path);
  await syncFolder(dirname(path));
}

/** Writes a file that must not exist yet, 0600, to the disk; half a file does not stay. @throws with code `EEXIST` */
export async function writeNew(path: string, content: string | Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } catch (error) {
    await removeFile(path);
    throw error;
  } finally {
    await file.close();
  }
}

export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The JSON files of a folder by their names without the ending; what is none is left alone. */
export async function jsonFiles(folder: string): Promise<ReadonlyMap<string, unknown>> {
  const names = await readdir(folder).catch(() => []);
  const found = new Map<string, unknown>();
  for (const name of names.filter((one) => one.endsWith('.json')).sort()) {
    try {
      found.set(name.slice(0, -'.json'.length), JSON.parse(await readFile(join(folder, name), 'utf8')));
    } catch {
      // Written by somebody else, or gone meanwhile: nothing that the agent wrote is half a file.
    }
  }
  return found;
}

/** Removes what a crash left half written. */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) if (name.endsWith('.tmp')) await removeFile(join(folder, name));
}

export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true });
}
