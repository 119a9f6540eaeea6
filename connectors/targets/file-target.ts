import * as z from 'zod';
import { linkedFile } from './allowance.ts';
import type { Change, Target } from './change.ts';
import { runCommand, type Command } from './command.ts';
import type { Verify } from './endpoint.ts';
import { TargetFailure } from './failure.ts';
import {
  commitFiles,
  discardFiles,
  fileRecordSchema,
  filesHold,
  planFiles,
  presentBackups,
  pruneBackups,
  readIfThere,
  restoreFiles,
  stageFiles,
  type FileRecord,
  type WantedFile,
} from './file-set.ts';
import { firstFingerprint, type Material } from './material.ts';
import type { FailureClass, HostRules } from './target.ts';

/** A server that reads its certificate from files and is told by a command. */
export interface FileTarget<C> {
  readonly config: z.ZodType<C>;
  readonly paths: (config: C) => readonly string[];
  readonly files: (config: C, material: Material, rules: HostRules) => Promise<readonly WantedFile[]>;
  /** What else it runs, each as the host must have named it: a program alone, whatever its arguments. */
  readonly programs?: (config: C) => readonly Command[];
  /** Whether its paths may be links. */
  readonly followLinks?: (config: C) => boolean;
  /** Judges the files in their place. */
  readonly check: (config: C) => Command | undefined;
  readonly reload: (config: C) => Command | undefined;
  readonly verify: (config: C) => Verify;
  /** Where the first certificate file is not the first path: the fingerprint of what is stored. */
  readonly stored?: (config: C, rules: HostRules) => Promise<string | undefined>;
}

/** The steps of {@link Target} for files: all beside, then all in place, then the server is told. */
export function fileTarget<C>(target: FileTarget<C>): Target<C> {
  const change = async (config: C, records: readonly FileRecord[], rules: HostRules, contents: readonly Buffer[]): Promise<Change> => {
    const check = target.check(config);
    const reload = target.reload(config);
    return {
      record: records,
      replaces: records.some(({ oldSha256 }) => oldSha256 !== null),
      backups: () => presentBackups(records),
      holds: () => filesHold(records),
      stage: () => stageFiles(records, contents),
      checkStaged: async () => undefined,
      commit: () => commitFiles(records, (index) => rules.onStep?.('commit', index)),
      check: () => obey(check, 'validate', 'the check of the server'),
      reload: () => obey(reload, 'reload', 'the reload'),
      restore: () => restoreFiles(records, (index) => rules.onStep?.('restore', index)),
      discard: () => discardFiles(records),
      settle: () => pruneBackups(records, rules.backupRetention),
    };
  };
  return {
    config: target.config,
    demands: (config) => ({
      paths: target.paths(config),
      followLinks: target.followLinks?.(config) === true,
      commands: [...(target.programs?.(config) ?? []), target.check(config), target.reload(config)].filter(
        (command) => command !== undefined,
      ),
    }),
    verify: target.verify,
    begin: async (config, material, rules) => {
      const wanted = await target.files(config, material, rules);
      const follow = target.followLinks?.(config) === true;
      const files = await Promise.all(wanted.map(async (file) => (follow ? { ...file, path: await linkedFile(file.path) } : file)));
      return change(
        config,
        await planFiles(files),
        rules,
        files.map(({ content }) => content),
      );
    },
    resume: async (config, record, rules) => change(config, z.array(fileRecordSchema).parse(record), rules, []),
    stored:
      target.stored ??
      (async (config) => {
        const [path = ''] = target.paths(config);
        return firstFingerprint(await readIfThere(path));
      }),
  };
}

/**
 * Runs a command that must succeed.
 *
 * @throws {TargetFailure} of the given class, with the end of what the command said
 */
export async function obey(command: Command | undefined, failureClass: FailureClass, what: string): Promise<void> {
  if (command === undefined) return;
  const { status, output, timedOut } = await runCommand(command);
  if (timedOut) throw new TargetFailure(failureClass, `${what} did not end in time`);
  if (status !== 0)
    throw new TargetFailure(failureClass, `${what} failed with status ${status ?? 'unknown'}: ${output.trim().slice(-1000)}`);
}
