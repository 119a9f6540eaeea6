import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root, type Platform } from '../platform.ts';

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command line as a user's shell does, against a platform, with nothing of this machine's own settings. */
export function certctl(
  platform: Platform | undefined,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input = '',
): Promise<Ended> {
  const own = platform && { CERTCTL_SERVER: platform.url, CERTCTL_CA_FILE: join(platform.home, 'ca.pem'), CERTCTL_TOKEN: platform.token };
  const child = spawn(process.execPath, [join(root, 'clients/cli/certctl.mjs'), ...args], {
    env: { PATH: process.env['PATH'], XDG_CONFIG_HOME: '/nonexistent', CERTCTL_HOME: '/nonexistent', ...own, ...env },
  });
  child.stdin.end(input);
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
}
