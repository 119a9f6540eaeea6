import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Node looks for its program behind these, says its own documentation. */
const blobName = 'NODE_SEA_BLOB';
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/**
 * Makes a program and a copy of Node one executable.
 *
 * @param program CommonJS
 * @param flags what that Node is started with; nothing of the environment adds to them
 * @param node of the release that runs this
 * @throws {Error} when the program cannot be prepared, or Node has no place for it
 */
export function buildExecutable(program: string, flags: readonly string[], node: string, file: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'executable-'));
  try {
    const [main, blob, config] = ['program.cjs', 'program.blob', 'config.json'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(main, program);
    const settings = { main, output: blob, disableExperimentalSEAWarning: true, execArgv: flags, execArgvExtension: 'none' };
    writeFileSync(config, JSON.stringify(settings));
    run(['--experimental-sea-config', config]);
    const draft = join(folder, 'executable');
    copyFileSync(node, draft);
    chmodSync(draft, 0o755);
    run([createRequire(import.meta.url).resolve('postject/dist/cli.js'), draft, blobName, blob, '--sentinel-fuse', fuse]);
    mkdirSync(dirname(file), { recursive: true });
    // Beside its place first: a host never sees half of a program.
    copyFileSync(draft, `${file}.new`);
    renameSync(`${file}.new`, file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What it prints is for who has to find out why it failed: of a program that is well, it complains of names of sections. */
function run(args: readonly string[]): void {
  const { status, error, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`no executable can be made: ${error?.message ?? stderr}`);
}
