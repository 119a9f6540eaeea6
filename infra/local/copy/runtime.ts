import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import vm from 'node:vm';
import type { PlannedFunction } from '../plan.ts';

type Handler = (event: unknown, context: object) => unknown;

/** A function as Lambda runs it: its code loaded once, its environment its own. */
export interface LoadedFunction {
  /** @throws what the handler throws, or that it took too long */
  invoke(event: unknown): Promise<unknown>;
}

export class TimedOut extends Error {
  override readonly name = 'TimedOut';
}

/**
 * Loads a bundle with a `process` whose environment is the function's. Unlike Lambda, one loaded module serves requests side by side;
 * the code keeps no state of a request outside of it.
 *
 * @param shared variables that every function gets; they win over the template's
 */
export function loadFunction(spec: PlannedFunction, shared: Readonly<Record<string, string>>): LoadedFunction {
  let handler: Handler | undefined;
  const load = (): Handler => {
    const [file = '', name = ''] = spec.handler.split('.');
    const path = join(spec.folder, `${file}.js`);
    const env = {
      ...spec.environment,
      ...shared,
      // Addresses of this machine need no dual stack, and no authorities of RDS.
      AWS_USE_DUALSTACK_ENDPOINT: 'false',
      AWS_LAMBDA_FUNCTION_NAME: spec.name,
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1024',
      LAMBDA_TASK_ROOT: spec.folder,
    };
    const exports = evaluate(path, Object.create(process, { env: { value: env, enumerable: true } }) as NodeJS.Process);
    const found = exports[name];
    if (typeof found !== 'function') throw new Error(`${spec.name}: ${spec.handler} is no function`);
    return found as Handler;
  };
  return {
    async invoke(event) {
      handler ??= load();
      const deadline = Date.now() + spec.timeoutMs;
      const context = {
        functionName: spec.name,
        functionVersion: '$LATEST',
        invokedFunctionArn: spec.arn,
        memoryLimitInMB: '1024',
        awsRequestId: randomUUID(),
        logGroupName: `/local/${spec.name}`,
        logStreamName: 'local',
        callbackWaitsForEmptyEventLoop: true,
        getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
      };
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(
          () => reject(new TimedOut(`Task timed out after ${(spec.timeoutMs / 1000).toFixed(2)} seconds`)),
          spec.timeoutMs,
        );
      });
      try {
        return await Promise.race([handler(event, context), late]);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** Runs a file of a function, and what it asks for beside itself, with the `process` of that function. */
function evaluate(path: string, functionProcess: NodeJS.Process): Readonly<Record<string, unknown>> {
  const module = { exports: {} as Record<string, unknown> };
  const known = new Map<string, Readonly<Record<string, unknown>>>();
  const nodes = createRequire(path);
  const require = (name: string): unknown => {
    if (!name.startsWith('./')) return nodes(name);
    const beside = join(dirname(path), name);
    const exports = known.get(beside) ?? evaluate(beside, functionProcess);
    known.set(beside, exports);
    return exports;
  };
  const compiled = compile(path);
  compiled.body(module.exports, require, module, path, dirname(path), functionProcess);
  compiled.remember();
  return module.exports;
}

interface Compiled {
  readonly body: (...parameters: unknown[]) => void;
  /** Keeps what was compiled so far for whoever loads the same file next. */
  remember(): void;
}

/** Beside the file lies what V8 made of it; V8 itself refuses what another version or another text left there. */
function compile(path: string): Compiled {
  const cache = `${path}.v8`;
  const cachedData = existsSync(cache) ? readFileSync(cache) : undefined;
  const script = new vm.Script(`(function (exports, require, module, __filename, __dirname, process) {${readFileSync(path, 'utf8')}\n})`, {
    filename: path,
    ...(cachedData && { cachedData }),
    // The SDK imports node:http when it first needs it.
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  return {
    body: script.runInThisContext() as Compiled['body'],
    remember() {
      if (cachedData !== undefined && script.cachedDataRejected !== true) return;
      const draft = `${cache}.${randomUUID()}`;
      try {
        writeFileSync(draft, script.createCachedData());
        renameSync(draft, cache);
      } catch {
        // A folder that cannot be written to costs the next start some time, and nothing else.
      }
    },
  };
}
