import { runCommand } from './command.ts';
import { TargetFailure } from './failure.ts';

/** Numeric owner and group of a file; what is absent stays as it is. */
export interface FileOwner {
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

/**
 * The numbers of an account and a group of this host, wherever it keeps them (getent).
 *
 * @throws {TargetFailure} `validate` when the host does not know them
 */
export async function fileOwner(owner: string | undefined, group: string | undefined): Promise<FileOwner | undefined> {
  if (owner === undefined && group === undefined) return undefined;
  return {
    uid: owner === undefined ? undefined : await numberOf('passwd', owner),
    gid: group === undefined ? undefined : await numberOf('group', group),
  };
}

async function numberOf(database: 'passwd' | 'group', name: string): Promise<number> {
  if (/^\d{1,10}$/.test(name)) return Number(name);
  const { status, stdout } = await runCommand(['getent', database, name], { timeoutMs: 10_000 });
  const number = /^[^:]*:[^:]*:(\d+):/.exec(stdout.toString('utf8'))?.[1];
  if (status !== 0 || number === undefined)
    throw new TargetFailure('validate', `this host has no ${database === 'passwd' ? 'account' : 'group'} ${name}`);
  return Number(number);
}
