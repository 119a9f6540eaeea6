import * as z from 'zod';
import type { Change, Target } from '../change.ts';
import { keyMode, mode, path, secretRef } from '../config.ts';
import { verifySchema } from '../endpoint.ts';
import { TargetFailure } from '../failure.ts';
import { firstFingerprint } from '../material.ts';
import { layoutRule, namesOneLayout, pairPaths } from '../pair.ts';
import type { FailureClass, HostRules } from '../target.ts';
import {
  commitScript,
  discardScript,
  planRemote,
  pruneScript,
  remoteHolds,
  remoteRecordSchema,
  restoreScript,
  stageScript,
  type RemoteFile,
  type RemoteRecord,
} from './remote-files.ts';
import { withRemoteShell, type RemoteShell } from './ssh-client.ts';

// The other side has a shell: only what needs no quoting goes there.
const remotePath = path.regex(/^[A-Za-z0-9._/-]+$/);
const remoteCommand = z
  .array(z.string().regex(/^[A-Za-z0-9_./:=@%+,-]{1,256}$/))
  .min(1)
  .max(32)
  .refine(([program = '']) => !program.startsWith('-') && !program.includes('='), 'names no program');

/** A host without an agent of its own, reached from this one. */
export const sshConfig = z
  .strictObject({
    host: z.string().regex(/^[A-Za-z0-9]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?$/),
    port: z.int().min(1).max(65_535).default(22),
    user: z.string().regex(/^[a-z_][a-z0-9_-]{0,31}$/),
    host_key: z.string().regex(/^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]{32,2048}={0,2}$/),
    identity: secretRef,
    cert_path: remotePath.optional(),
    key_path: remotePath.optional(),
    pem_path: remotePath.optional(),
    cert_file_mode: mode.optional(),
    key_file_mode: keyMode.optional(),
    check_command: remoteCommand.optional(),
    reload_command: remoteCommand.optional(),
    verify: verifySchema,
  })
  .refine(namesOneLayout, layoutRule);

type Config = z.infer<typeof sshConfig>;

/** Any server on another host, by SSH and the same steps there as here. */
export const ssh: Target<Config> = {
  config: sshConfig,
  demands: (config) => ({
    paths: [],
    // What runs there is listed here, after whom it runs as.
    commands: [config.check_command, config.reload_command]
      .filter((command) => command !== undefined)
      .map((command) => ['ssh', `${config.user}@${config.host}`, ...command]),
    addresses: pairPaths(config).map((file) => `ssh://${config.user}@${config.host}:${config.port}${file}`),
  }),
  verify: (config) => config.verify,
  begin: async (config, material, rules) => {
    const files = filesOf(config, material.leafPem + material.chainPem, material.keyPem);
    const { records, held } = await withRemoteShell(config, rules, (shell) => planRemote(shell, files));
    const remote = change(config, records, rules, files);
    // Seen a moment ago, through the same connection.
    return { ...remote, holds: async () => held };
  },
  resume: async (config, record, rules) => change(config, z.array(remoteRecordSchema).parse(record), rules, []),
  probe: (config, rules) => withRemoteShell(config, rules, (shell) => obey(shell, 'true', 'connector', 'a first command')),
  stored: async (config, rules) => {
    const [file = ''] = pairPaths(config);
    const { status, stdout } = await withRemoteShell(config, rules, (shell) => shell.run(`[ ! -e ${file} ] || cat ${file}`, 262_144));
    if (status !== 0) throw new TargetFailure('connector', `${file} cannot be read there`);
    return firstFingerprint(stdout.toString('utf8'));
  },
};

function filesOf(config: Config, certificates: string, key: string): RemoteFile[] {
  const { pem_path, cert_path = '', key_path = '', cert_file_mode, key_file_mode } = config;
  if (pem_path !== undefined) return [{ path: pem_path, content: Buffer.from(certificates + key), secret: true, mode: key_file_mode }];
  return [
    { path: key_path, content: Buffer.from(key), secret: true, mode: key_file_mode },
    { path: cert_path, content: Buffer.from(certificates), secret: false, mode: cert_file_mode },
  ];
}

function change(config: Config, records: readonly RemoteRecord[], rules: HostRules, files: readonly RemoteFile[]): Change {
  const there = <T>(work: (shell: RemoteShell) => Promise<T>): Promise<T> => withRemoteShell(config, rules, work);
  const command = (words: readonly string[] | undefined, failureClass: FailureClass, what: string): Promise<void> =>
    words === undefined ? Promise.resolve() : there((shell) => obey(shell, `${words.join(' ')} < /dev/null`, failureClass, what));
  return {
    record: records,
    replaces: records.some(({ oldSha256 }) => oldSha256 !== null),
    backups: async () => records.filter(({ oldSha256 }) => oldSha256 !== null).map(({ backup }) => `${config.host}:${backup}`),
    holds: () => there((shell) => remoteHolds(shell, records)),
    stage: () => there((shell) => obey(shell, stageScript(records, files), 'write', 'writing beside the old files')),
    checkStaged: async () => undefined,
    // One script: what has begun there ends there, even if this side is gone meanwhile.
    commit: () => there((shell) => obey(shell, commitScript(records), 'write', 'replacing the files')),
    check: () => command(config.check_command, 'validate', 'the check of the server'),
    reload: () => command(config.reload_command, 'reload', 'the reload'),
    restore: () => there((shell) => obey(shell, restoreScript(records), 'rollback_failed', 'putting the old files back')),
    discard: () => there((shell) => obey(shell, discardScript(records), 'write', 'removing what was staged')),
    settle: () => there((shell) => obey(shell, pruneScript(records, rules.backupRetention), 'write', 'removing old backups')),
  };
}

async function obey(shell: RemoteShell, script: string, failureClass: FailureClass, what: string): Promise<void> {
  const { status, output } = await shell.run(script);
  if (status !== 0)
    throw new TargetFailure(failureClass, `${what} failed with status ${status ?? 'unknown'}: ${output.trim().slice(-500)}`);
}
