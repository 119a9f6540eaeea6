import { fork } from 'node:child_process';
import { join } from 'node:path';
import { compileCache } from './compile-cache.ts';
import type { FrontCertificate } from './copy/protocol.ts';
import type { FrontTask } from './front-order.ts';

/** Runs a front task in a process of its own. @throws with what went wrong there */
export function frontInChild(task: FrontTask): Promise<FrontCertificate> {
  return new Promise((resolve, reject) => {
    const child = fork(join(import.meta.dirname, 'front-order.ts'), {
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
    child.once('message', (said: { front?: FrontCertificate; error?: string }) => {
      if (said.front !== undefined) resolve(said.front);
      else reject(new Error(said.error ?? 'failed'));
    });
    child.once('exit', () => {
      clearTimeout(timer);
      reject(new Error('the child process ended without an answer'));
    });
    child.send(task);
  });
}
