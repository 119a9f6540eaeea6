import cluster, { type Worker } from 'node:cluster';
import type { FromCopy, FrontCertificate, ToCopy } from './copy/protocol.ts';

export interface Copies {
  /** Runs a function in one of the copies. @throws when the copy dies meanwhile */
  invoke(functionName: string, payload: string): Promise<{ readonly payload: string; readonly error?: string }>;
  setFront(front: FrontCertificate): void;
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

export type StartMessage = ToCopy & { readonly type: 'start' };

/** Node's arguments. Functions hold little: a small young generation is collected often and cheaply. */
export const memoryLimits: readonly string[] = [
  '--max-semi-space-size=4',
  '--max-old-space-size=128',
  '--disable-warning=ExperimentalWarning',
];

interface Pending {
  readonly worker: number;
  resolve(result: { readonly payload: string; readonly error?: string }): void;
  reject(error: Error): void;
}

/**
 * Starts copies that share the ports; a copy that dies is replaced, and what it was doing fails for its caller.
 *
 * @param program the JavaScript file that a copy runs
 * @param output where the copies' logs go, a line at a time
 */
export async function startCopies(program: string, count: number, start: StartMessage, output: (text: string) => void): Promise<Copies> {
  let message = start;
  let stopping = false;
  let nextId = 0;
  let turn = 0;
  const pending = new Map<number, Pending>();
  const ready: Worker[] = [];
  // Copies accept by themselves: a connection to one that dies is reset by the kernel, not forgotten by a dispatcher.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({
    exec: program,
    args: [],
    execArgv: [...memoryLimits],
    silent: true,
    serialization: 'json',
  });

  const spawn = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = cluster.fork();
      worker.process.stdout?.setEncoding('utf8').on('data', output);
      worker.process.stderr?.setEncoding('utf8').on('data', output);
      worker.on('message', (said: FromCopy) => {
        switch (said.type) {
          case 'listening':
            ready.push(worker);
            resolve();
            break;
          case 'failed':
            reject(new Error(said.reason));
            break;
          case 'result':
            pending.get(said.id)?.resolve(said);
            pending.delete(said.id);
        }
      });
      // A message to a copy that just died is lost; its end, told a moment later, fails whoever waits for an answer.
      worker.on('error', () => undefined);
      worker.on('exit', () => {
        const index = ready.indexOf(worker);
        if (index >= 0) ready.splice(index, 1);
        reject(new Error('a copy ended while it started'));
        for (const [id, waiting] of pending) {
          if (waiting.worker !== worker.id) continue;
          pending.delete(id);
          waiting.reject(new Error('the copy that ran the function ended'));
        }
        if (!stopping)
          spawn().catch((error: unknown) =>
            output(`${JSON.stringify({ level: 'ERROR', message: 'a copy was not replaced', error: String(error) })}\n`),
          );
      });
      worker.send(message);
    });

  await Promise.all(Array.from({ length: count }, spawn));

  return {
    invoke: (functionName, payload) =>
      new Promise((resolve, reject) => {
        const worker = ready[turn++ % Math.max(1, ready.length)];
        if (worker === undefined) {
          reject(new Error('no copy is running'));
          return;
        }
        const id = nextId++;
        pending.set(id, { worker: worker.id, resolve, reject });
        worker.send({ type: 'invoke', id, functionName, payload } satisfies ToCopy);
      }),
    setFront(front) {
      message = { ...message, front };
      for (const worker of ready) worker.send({ type: 'front', front } satisfies ToCopy);
    },
    get pids() {
      return ready.map((worker) => worker.process.pid ?? 0);
    },
    async stop() {
      stopping = true;
      const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
      await Promise.all(
        workers.map(
          (worker) =>
            new Promise<void>((resolve) => {
              const timer = setTimeout(() => worker.process.kill('SIGKILL'), 1000);
              worker.once('exit', () => {
                clearTimeout(timer);
                resolve();
              });
              if (worker.isConnected()) worker.send({ type: 'stop' } satisfies ToCopy);
              else worker.process.kill('SIGKILL');
            }),
        ),
      );
    },
  };
}
