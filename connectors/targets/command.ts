import { spawn } from 'node:child_process';

/** A program and its arguments, as given to the kernel; no shell reads it. */
export type Command = readonly string[];

/** How a command ended. */
export interface CommandResult {
  /** `undefined` when it did not end by itself. */
  readonly status: number | undefined;
  readonly stdout: Buffer;
  /** Both outputs as they came, at most 16 KiB. */
  readonly output: string;
  readonly timedOut: boolean;
}

const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const maxOutputBytes = 16_384;

export interface CommandOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: Uint8Array;
  readonly timeoutMs?: number;
  /** Octets of standard output that are kept. */
  readonly maxStdoutBytes?: number;
}

/**
 * Runs a command in a process group of its own with a fixed PATH and nothing else of this process's environment; after the time (60 s by
 * default) the whole group is killed. A program that cannot be started ends with status 127.
 */
export function runCommand(command: Command, options: CommandOptions = {}): Promise<CommandResult> {
  const [program = '', ...args] = command;
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      detached: true,
      cwd: '/',
      env: { PATH: searchPath, LANG: 'C', LC_ALL: 'C', ...options.environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const stdout = collector(options.maxStdoutBytes ?? maxOutputBytes);
    const output = collector(maxOutputBytes);
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child.pid);
    }, options.timeoutMs ?? 60_000);
    const end = (status: number | undefined, text?: string): void => {
      clearTimeout(timer);
      // A daemon that the command left behind may hold its outputs open for ever.
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ status, stdout: stdout.bytes(), output: text ?? output.bytes().toString('utf8'), timedOut });
    };
    child.stdout.on('data', (chunk: Buffer) => {
      stdout.add(chunk);
      output.add(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => output.add(chunk));
    child.stdin.on('error', () => undefined);
    child.on('error', (error: NodeJS.ErrnoException) => end(127, `${program} cannot be started: ${error.code ?? error.name}`));
    let closed = false;
    child.on('close', (status) => {
      closed = true;
      end(status ?? undefined);
    });
    // What it wrote last is still on its way when it ends; 'close' waits for it, but not for a daemon's hold on it.
    child.on('exit', (status) => setTimeout(() => !closed && end(status ?? undefined), 200));
    child.stdin.end(options.input);
  });
}

function collector(limit: number): { add(chunk: Buffer): void; bytes(): Buffer } {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    add: (chunk) => {
      const kept = chunk.subarray(0, limit - size);
      size += kept.length;
      if (kept.length > 0) chunks.push(kept);
    },
    bytes: () => Buffer.concat(chunks),
  };
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended in this very moment.
  }
}
