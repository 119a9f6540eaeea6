import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../http/usage-error.ts';
import { privateFolder, removeFile, writeNew } from './state-file.ts';

/**
 * Takes the state folder for this process alone: two that work on one journal take back what the other is at. What a process left that was killed is no
 * obstacle, and neither is a disk that takes no more.
 *
 * @returns gives it free
 * @throws {UsageError} while another process has it
 */
export async function takeFolder(stateDir: string): Promise<() => Promise<void>> {
  const file = join(stateDir, 'running');
  const mine = `${process.pid} ${await birthOf('self')}`;
  await privateFolder(stateDir);
  for (let attempt = 1; ; attempt++) {
    try {
      await writeNew(file, mine);
      return () => removeFile(file);
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') return async () => undefined;
    }
    const holder = await readFile(file, 'utf8').catch(() => '');
    const [pid = '', ...birth] = holder.split(' ');
    if (holder !== mine && /^\d+$/.test(pid) && (await birthOf(pid)) === birth.join(' ') && birth.join(' ') !== '')
      throw new UsageError(`the agent runs already, as process ${pid}: ${stateDir} is its own`);
    if (attempt > 2) return async () => undefined;
    await removeFile(file);
  }
}

/** What tells a process from a later one of the same number: the boot, and when it began in that (proc(5)). Empty when there is none, or no such file system. */
async function birthOf(pid: string): Promise<string> {
  try {
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /s, '').split(' ');
    // A process that ended and that nobody has asked for is none.
    return fields[0] === 'Z' ? '' : `${boot} ${fields[19] ?? ''}`;
  } catch {
    return '';
  }
}
