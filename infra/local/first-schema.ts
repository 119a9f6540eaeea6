import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Assembly } from './assembly.ts';
import { compileCache } from './compile-cache.ts';
import type { Schema } from './data-folder.ts';
import { plan, type PlannedFunction } from './plan.ts';
import type { SchemaTask } from './apply-schema.ts';

/**
 * The schema that a new home's database begins with: what the template's own function for it makes of an empty one, before any home knows it. Whatever that leaves
 * out the event of the resource does, as on a database of the cloud.
 *
 * @param environment what every function finds besides what the template says
 * @param log takes what the function logs
 */
export function firstSchema(assembly: Assembly, environment: Readonly<Record<string, string>>, log: (text: string) => void): Schema {
  const planned = (socketFolder: string): PlannedFunction => {
    const { customResources, functions } = plan(assembly, {
      publicBaseUrl: 'https://localhost',
      pkiHost: 'localhost',
      socketFolder,
      endpoint: 'http://localhost',
    });
    const found = functions.find(({ name }) => name === customResources[0]?.functionName);
    if (found === undefined) throw new Error('the template has no function for the schema');
    return found;
  };
  return {
    key: keyOf(planned('').folder),
    apply: (socketFolder) => applied({ spec: planned(socketFolder), environment }, log),
  };
}

/** Every byte that the function reads. Beside them lies what V8 made of them, which is not the same twice. */
function keyOf(folder: string): string {
  const hash = createHash('sha256');
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }).toSorted((a, b) => pathOf(a).localeCompare(pathOf(b))))
    if (entry.isFile() && /\.(?:js|sql)$/.test(entry.name))
      hash
        .update(relative(folder, pathOf(entry)))
        .update('\0')
        .update(readFileSync(pathOf(entry)))
        .update('\0');
  return hash.digest('hex');
}

function pathOf({ parentPath, name }: { readonly parentPath: string; readonly name: string }): string {
  return join(parentPath, name);
}

/** In a process of its own: the host is spared what the function loads. */
function applied(task: SchemaTask, log: (text: string) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const child = fork(join(import.meta.dirname, 'apply-schema.ts'), {
      env: { ...process.env, NODE_COMPILE_CACHE: compileCache },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const output of [child.stdout, child.stderr]) output?.setEncoding('utf8').on('data', log);
    child.once('error', () => resolve(false));
    child.once('close', (code) => resolve(code === 0));
    child.send(task);
  });
}
