import { fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { synthesize } from '#infra/local/assembly.ts';
import { functionSpecs } from '#infra/functions.ts';
import { compileProgram } from '#infra/local/copy-program.ts';
import { environmentOfAll } from '#infra/local/environment.ts';
import { plan } from '#infra/local/plan.ts';
import { root, type Platform } from '../platform.ts';
import type { Asked, FromLone, ToLone } from './lone-function.ts';

/** A function of a running platform in a process of its own: what is measured there is the handler, without front and client. */
export interface Lambda {
  ask(asked: Asked): Promise<FromLone & { readonly type: 'answer' }>;
  /** Milliseconds of each measured request. */
  repeat(asked: readonly Asked[], warm: number, count: number): Promise<readonly number[]>;
  /** The most memory that it ever had, in MB. */
  peak(): number;
  stop(): void;
}

/** What AWS's runtime tells V8 of an instance's memory, in MB. */
const heapOf = (memoryMb: number): readonly string[] => [
  `--max-semi-space-size=${Math.floor(memoryMb / 20)}`,
  `--max-old-space-size=${Math.floor((memoryMb * 9) / 10)}`,
];

/**
 * @param name of the function in the tree, such as `api`
 * @param heap flags of V8; left out: those of an instance with the function's memory
 */
export async function startLambda(platform: Platform, name: string, heap?: readonly string[]): Promise<Lambda> {
  const folder = mkdtempSync(join(tmpdir(), 'certctl-lambda-'));
  const program = join(folder, 'function.mjs');
  // Plain JavaScript: what strips types would be counted as the function's memory.
  compileProgram(root, 'the lone function', join(root, 'test', 'load', 'lone-function.ts'), program);
  const { instance, url, pkiUrl } = platform;
  const { functions } = plan(await synthesize(root), {
    publicBaseUrl: url,
    pkiHost: new URL(pkiUrl).host,
    socketFolder: instance.socketFolder,
    endpoint: instance.endpoint,
  });
  const spec = functions.find((fn) => fn.environment['CERTCTL_FUNCTION'] === name);
  if (spec === undefined) throw new Error(`there is no function ${name}`);
  const { memoryMb = 512 } = functionSpecs.find((one) => one.name === name) ?? {};
  const child = fork(program, { execArgv: [...(heap ?? heapOf(memoryMb)), '--disable-warning=ExperimentalWarning'] });
  const told = (message: ToLone): Promise<FromLone> =>
    new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error('the function’s process ended'));
      child.once('exit', ended);
      child.once('message', (said: FromLone) => {
        child.off('exit', ended);
        if (said.type === 'failed') reject(new Error(said.reason));
        else resolve(said);
      });
      child.send(message);
    });
  const door = { doorIp: undefined, doorHttp01Port: 5002, doorTlsAlpn01Port: 5001, dnsResolvers: [] };
  await told({ type: 'load', spec, environment: environmentOfAll(door, instance.endpoint) });
  return {
    ask: async (asked) => (await told({ type: 'ask', asked })) as FromLone & { type: 'answer' },
    repeat: async (asked, warm, count) =>
      ((await told({ type: 'repeat', asked, warm, count })) as FromLone & { type: 'times' }).milliseconds,
    peak: () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024,
    stop() {
      child.disconnect();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
