import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostRules } from './target.ts';

/** A folder that nobody else may enter, for what a program can take by file only; gone afterwards. */
export async function withWorkFolder<T>(rules: HostRules, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(rules.stateDir, 'work', randomBytes(12).toString('hex'));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Removes what a crash left there; only before anything else begins. */
export async function removeWork(rules: HostRules): Promise<void> {
  await rm(join(rules.stateDir, 'work'), { recursive: true, force: true });
}
