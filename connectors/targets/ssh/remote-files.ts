import { createHash, randomInt } from 'node:crypto';
import { posix } from 'node:path';
import * as z from 'zod';
import { TargetFailure } from '../failure.ts';
import type { RemoteShell } from './ssh-client.ts';

// Scripts of POSIX shell with the tools of coreutils or busybox. Paths hold nothing that a shell would read (the configuration's rule).

/** A file as it is to be on the other host. */
export interface RemoteFile {
  readonly path: string;
  readonly content: Buffer;
  readonly secret: boolean;
  readonly mode: number | undefined;
}

export const remoteRecordSchema = z.object({
  path: z.string(),
  temp: z.string(),
  backup: z.string(),
  /** Octal text. */
  mode: z.string(),
  oldSha256: z.string().nullable(),
  newSha256: z.string(),
});
export type RemoteRecord = Readonly<z.infer<typeof remoteRecordSchema>>;

/** Looks at what is there, whether it is as wanted, and settles names and modes; changes nothing. */
export async function planRemote(
  shell: RemoteShell,
  files: readonly RemoteFile[],
): Promise<{ readonly records: readonly RemoteRecord[]; readonly held: boolean }> {
  const stamp = `${Date.now()}${String(randomInt(1_000_000)).padStart(6, '0')}`;
  const states = await look(
    shell,
    files.map(({ path }) => path),
  );
  const records = files.map(({ path, content, secret, mode }, at) => {
    const { sha256, mode: existing } = states[at] ?? absent;
    const kept = existing === undefined ? undefined : secret ? existing & 0o770 : existing;
    const beside = (mark: string): string => posix.join(posix.dirname(path), `.${posix.basename(path)}.${mark}.${stamp}`);
    return {
      path,
      temp: beside('certctl-tmp'),
      backup: beside('certctl-bak'),
      mode: (mode ?? kept ?? (secret ? 0o600 : 0o644)).toString(8).padStart(4, '0'),
      oldSha256: sha256,
      newSha256: createHash('sha256').update(content).digest('hex'),
    };
  });
  return { records, held: hold(records, states) };
}

/** Whether every file has its content and its mode. */
export async function remoteHolds(shell: RemoteShell, records: readonly RemoteRecord[]): Promise<boolean> {
  const states = await look(
    shell,
    records.map(({ path }) => path),
  );
  return hold(records, states);
}

function hold(records: readonly RemoteRecord[], states: readonly FileState[]): boolean {
  return records.every(({ newSha256, mode }, at) => states[at]?.sha256 === newSha256 && states[at].mode === parseInt(mode, 8));
}

interface FileState {
  readonly sha256: string | null;
  readonly mode: number | undefined;
}

const absent: FileState = { sha256: null, mode: undefined };

async function look(shell: RemoteShell, paths: readonly string[]): Promise<readonly FileState[]> {
  const script = paths.map(
    (path) =>
      `if [ -L ${path} ] || { [ -e ${path} ] && [ ! -f ${path} ]; }; then echo other; elif [ -f ${path} ]; then sha256sum < ${path} && stat -c %a ${path}; else echo absent; fi`,
  );
  const { status, stdout, output } = await shell.run(`set -e; ${script.join('; ')}`);
  const words = stdout
    .toString('utf8')
    .split(/\s+/)
    .filter((word) => word !== '' && word !== '-');
  if (status !== 0) throw new TargetFailure('connector', `the remote files cannot be read: ${output.trim().slice(-300)}`);
  return paths.map((path) => {
    const word = words.shift() ?? '';
    if (word === 'absent') return absent;
    const mode = words.shift() ?? '';
    if (!/^[0-9a-f]{64}$/.test(word) || !/^[0-7]{3,4}$/.test(mode))
      throw new TargetFailure('validate', `${path} is a link or no plain file`);
    return { sha256: word, mode: parseInt(mode, 8) & 0o777 };
  });
}

/** Keeps the old files and writes the new ones beside them; nobody else may read those before they have their modes. */
export function stageScript(records: readonly RemoteRecord[], files: readonly RemoteFile[]): string {
  const scripts = records.map(({ path, temp, backup, mode, oldSha256, newSha256 }, at) => {
    const end = `END-${newSha256}`;
    return [
      ...(oldSha256 === null ? [] : [`ln ${path} ${backup} 2>/dev/null || cp -p ${path} ${backup}`]),
      `cat > ${temp} <<'${end}'`,
      // PEM: text that ends with its line.
      `${files[at]?.content.toString('utf8') ?? ''}${end}`,
      hasContent(temp, newSha256),
      // The owner of what is there is kept where this user may give files away.
      ...(oldSha256 === null ? [] : [`chown "$(stat -c %u:%g ${path})" ${temp} 2>/dev/null || true`]),
      `chmod ${mode} ${temp}`,
      `sync ${temp} 2>/dev/null || sync`,
    ].join('\n');
  });
  return `set -eC\numask 077\n${scripts.join('\n')}\n`;
}

export function commitScript(records: readonly RemoteRecord[]): string {
  return `set -e\n${records.map(({ path, temp }) => `mv -f ${temp} ${path}`).join('\n')}\n`;
}

/** Puts the old files back that are not back yet; a file that is neither the old nor the new one is not touched. */
export function restoreScript(records: readonly RemoteRecord[]): string {
  const scripts = records.map(({ path, backup, temp, oldSha256, newSha256 }) => {
    const old = oldSha256 === null ? `[ ! -e ${path} ]` : `[ -f ${path} ] && ${hasContent(path, oldSha256)}`;
    const back = oldSha256 === null ? `rm -f ${path}` : `mv -f ${backup} ${path}`;
    return `rm -f ${temp}
if ${old}; then rm -f ${backup}
elif [ -e ${path} ] && ! ${hasContent(path, newSha256)}; then echo '${path}: somebody else has changed it meanwhile' >&2; failed=1
else ${back} || failed=1; fi`;
  });
  return `failed=0\n${scripts.join('\n')}\nexit $failed\n`;
}

export function discardScript(records: readonly RemoteRecord[]): string {
  return `rm -f ${records.flatMap(({ temp, backup }) => [temp, backup]).join(' ')}`;
}

/** @param retention how many backups of each file stay; -1 all */
export function pruneScript(records: readonly RemoteRecord[], retention: number): string {
  if (retention < 0) return 'true';
  const prunes = records.map(({ backup }) => {
    const pattern = `${backup.slice(0, backup.lastIndexOf('.'))}.*`;
    return `ls -1 ${pattern} 2>/dev/null | sort -r | tail -n +${retention + 1} | while read -r f; do rm -f "$f"; done`;
  });
  return prunes.join('\n');
}

function hasContent(path: string, sha256: string): string {
  return `[ "$(sha256sum < ${path})" = '${sha256}  -' ]`;
}
