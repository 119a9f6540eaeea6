import { realpath, stat, lstat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, sep } from 'node:path';
import type { Demands } from './change.ts';
import type { Command } from './command.ts';
import { TargetFailure, reasonOf } from './failure.ts';
import type { HostRules } from './target.ts';

/** Refuses what the host does not allow. @throws {TargetFailure} `validate` */
export async function assertAllowed({ paths, commands, addresses = [], followLinks = false }: Demands, rules: HostRules): Promise<void> {
  if (new Set(paths).size < paths.length) throw new TargetFailure('validate', 'two files have the same path');
  for (const command of commands) assertCommandAllowed(command, rules);
  for (const address of addresses)
    if (!rules.allowedPaths.some((root) => isBelow(address, root)))
      throw new TargetFailure('validate', `this host does not allow deployments to ${address}`);
  const written = followLinks ? await Promise.all(paths.map(linkedFile)) : paths;
  if (new Set(written).size < written.length) throw new TargetFailure('validate', 'two files are one');
  for (const path of written) await assertPathAllowed(path, rules);
}

/** The file that a path leads to: the path itself where it is no link. @throws {TargetFailure} `validate` for a link that leads nowhere */
export async function linkedFile(path: string): Promise<string> {
  const existing = await lstat(path).catch(() => undefined);
  if (existing?.isSymbolicLink() !== true) return path;
  return realpath(path).catch((cause: unknown) => {
    throw new TargetFailure('validate', `the link ${path} cannot be followed: ${reasonOf(cause)}`, { cause });
  });
}

/**
 * Refuses a file that the host does not let deployments write: outside its allowed paths once links are followed, itself a link or no plain
 * file, or in a folder that anybody may write.
 *
 * @throws {TargetFailure} `validate`
 */
async function assertPathAllowed(path: string, rules: HostRules): Promise<void> {
  if (!isAbsolute(path) || path.includes('\0') || path.split(sep).includes('..') || path.endsWith(sep))
    throw new TargetFailure('validate', `${path} is no absolute path of a file`);
  let folder: string;
  try {
    folder = await realpath(dirname(path));
    if (((await stat(folder)).mode & 0o002) !== 0) throw new TargetFailure('validate', `anybody may write into ${folder}`);
  } catch (cause) {
    if (cause instanceof TargetFailure) throw cause;
    throw new TargetFailure('validate', `the folder of ${path} cannot be used: ${reasonOf(cause)}`, { cause });
  }
  const real = join(folder, basename(path));
  const roots = await Promise.all(rules.allowedPaths.map((root) => realpath(root).catch(() => root)));
  if (!roots.some((root) => isBelow(real, root))) throw new TargetFailure('validate', `this host does not allow deployments to ${path}`);
  const existing = await lstat(path).catch(() => undefined);
  if (existing !== undefined && !existing.isFile()) throw new TargetFailure('validate', `${path} is a link or no plain file`);
}

function isBelow(place: string, root: string): boolean {
  return place === root || place.startsWith(root.endsWith('/') ? root : `${root}/`);
}

/**
 * Refuses a command that is not, word for word, one of the host's.
 *
 * @throws {TargetFailure} `validate`
 */
function assertCommandAllowed(command: Command, rules: HostRules): void {
  const allowed = rules.allowedCommands.some((entry) => entry.length === command.length && entry.every((word, at) => word === command[at]));
  if (!allowed) throw new TargetFailure('validate', `this host does not allow the command ${JSON.stringify(command)}`);
}
