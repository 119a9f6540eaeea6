import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../platform.ts';
import { releaseFiles } from './server.ts';

/** What git says; undefined when it says nothing. */
function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  return status === 0 && stdout.trim() !== '' ? stdout.trim() : undefined;
}

const migrationsOf = (commit: string): readonly string[] =>
  (git('ls-tree', '--name-only', `${commit}:migrations`) ?? '').split('\n').filter((name) => name.endsWith('.up.sql'));

/**
 * The release before this one: what `PREVIOUS_RELEASE` names; where this branch left the main line, if migrations came since; else the newest
 * commit that has fewer of them.
 */
function previousRelease(): { readonly commit: string } | { readonly reason: string } {
  if (git('rev-parse', '--git-dir') === undefined) return { reason: 'there is no git history' };
  const hasFewer = (commit: string | undefined): commit is string => {
    if (commit === undefined) return false;
    const names = migrationsOf(commit);
    return names.length > 0 && names.length < releaseFiles.length;
  };
  // The release that landed last says so here; whoever lands the next one moves the line on.
  const named =
    process.env['PREVIOUS_RELEASE'] ??
    git('rev-parse', '--verify', '--quiet', readFileSync(join(import.meta.dirname, 'landed-release'), 'utf8').trim());
  if (named !== undefined) return { commit: git('rev-parse', named) ?? named };
  const fork = git('merge-base', 'HEAD', 'origin/main');
  if (hasFewer(fork)) return { commit: fork };
  for (const change of (git('log', '--first-parent', '--format=%H', '--', 'migrations') ?? '').split('\n')) {
    for (const candidate of [change, git('rev-parse', '--verify', '--quiet', `${change}^`)])
      if (hasFewer(candidate)) return { commit: candidate };
  }
  return {
    reason: git('rev-parse', '--is-shallow-repository') === 'true' ? 'the git history is shallow' : 'no commit has fewer migrations',
  };
}

/** The previous release's tree, once per commit, with our packages. */
function treeOf(commit: string): string {
  const folder = join(root, '.build', `release-${commit.slice(0, 12)}`);
  if (existsSync(folder)) return folder;
  mkdirSync(join(root, '.build'), { recursive: true });
  const draft = mkdtempSync(join(root, '.build', 'release-draft-'));
  const archive = join(draft, 'tree.tar');
  expect(git('archive', '--format=tar', '--output', archive, commit) ?? '').toBe('');
  expect(spawnSync('tar', ['-xf', archive, '-C', draft]).status).toBe(0);
  rmSync(archive);
  symlinkSync(join(root, 'node_modules'), join(draft, 'node_modules'));
  renameSync(draft, folder);
  return folder;
}

// One platform of the previous release serves all its tests, while the schema moves on under it: as in a deployment.
const sharedPlatform = `
import net from 'node:net';
import { spawnSync } from 'node:child_process';
import * as own from './platform-own.ts';
export * from './platform-own.ts';
// Nothing that it waits for is a judgement of this machine.
export const until = (what, condition, seconds = 60) => own.until(what, condition, Math.max(seconds, 60));

let door = 0;
const proxy = net.createServer((socket) => {
  const onward = net.connect(door, '127.0.0.1');
  socket.on('error', () => onward.destroy()).pipe(onward);
  onward.on('error', () => socket.destroy()).pipe(socket);
});
let shared;
const args = (port) => ['--door-http01-port', String(port)];

async function start() {
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return own.startPlatform({ args: args(proxy.address().port) });
}

export async function startPlatform(options = {}) {
  const [name, port] = options.args ?? [];
  if (options.home !== undefined || options.env !== undefined || (name !== undefined && (name !== '--door-http01-port' || options.args.length !== 2)))
    throw new Error('this test wants a platform of its own');
  shared ??= start();
  if (port !== undefined) door = Number(port);
  return { ...(await shared), stop: async () => 0 };
}

export async function migrateTo(folder) {
  shared ??= start();
  const { instance } = await shared;
  const runner = process.env.RUNNER;
  const { status, stdout, stderr } = spawnSync(process.execPath, [runner, instance.socketFolder, 'certctl', folder, '60000'], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stdout + stderr);
}

export async function stopShared() {
  proxy.close();
  await (await shared)?.stop();
}
`;

const everyPrefix = `
import { afterAll, beforeAll, describe } from 'vitest';
import { migrateTo, stopShared } from './platform.ts';

afterAll(stopShared);
for (const { head, folder, files } of JSON.parse(process.env.PREFIXES)) {
  describe(head, async () => {
    beforeAll(() => migrateTo(folder), 60000);
    for (const file of files) describe(file, async () => void (await import(/* @vite-ignore */ './' + file)));
  });
}
`;

const config = `
export default {
  test: {
    include: ['test/every-prefix.test.ts'],
    pool: 'forks', maxWorkers: 1, testTimeout: 90000, hookTimeout: 120000, sequence: { shuffle: false },
  },
};
`;

const wholeStack = ['acme/finalize.test.ts', 'acme/order.test.ts', 'revocation/revocation.test.ts'];
const previous = previousRelease();

test.skipIf('reason' in previous)(
  `PreviousReleaseOnEveryPrefix${'reason' in previous ? ` (${previous.reason})` : ''}: the release before this one passes its own tests on every prefix of the migrations that it does not know`,
  { timeout: 600_000 },
  async () => {
    if ('reason' in previous) return;
    const known = migrationsOf(previous.commit);
    // What it knows is as it was: a landed migration is never edited.
    expect(releaseFiles.slice(0, known.length)).toEqual(known);
    const pending = releaseFiles.slice(known.length);
    expect(pending.length, 'test/migrate/landed-release moves on with the next migration, not before').toBeGreaterThan(0);

    const tree = treeOf(previous.commit);
    const own = join(tree, 'test', 'platform-own.ts');
    if (!existsSync(own)) renameSync(join(tree, 'test', 'platform.ts'), own);
    writeFileSync(join(tree, 'test', 'platform.ts'), sharedPlatform);
    writeFileSync(join(tree, 'test', 'every-prefix.test.ts'), everyPrefix);
    writeFileSync(join(tree, 'every-prefix.config.mjs'), config);

    const folder = mkdtempSync(join(tmpdir(), 'certctl-prefix-'));
    try {
      const prefixes = pending.map((head, index) => {
        const files = join(folder, String(index));
        mkdirSync(files);
        for (const name of releaseFiles.slice(0, known.length + index + 1))
          writeFileSync(join(files, name), readFileSync(join(root, 'migrations', name)));
        // On the way one file issues from end to end; at the end all of them run.
        const wanted = index === pending.length - 1 ? wholeStack : wholeStack.slice(0, 1);
        // A module runs once: each prefix has copies of its own.
        const copies = wanted
          .filter((file) => existsSync(join(tree, 'test', file)))
          .map((file) => [file, file.replace('.test.ts', `.on-${index}.ts`)]);
        for (const [file, copy] of copies as [string, string][]) cpSync(join(tree, 'test', file), join(tree, 'test', copy));
        return { head, folder: files, files: copies.map(([, copy]) => copy) };
      });
      const report = join(folder, 'report.json');
      const child = spawn(
        process.execPath,
        [
          join(root, 'node_modules/vitest/vitest.mjs'),
          'run',
          '--config',
          join(tree, 'every-prefix.config.mjs'),
          '--root',
          tree,
          '--reporter=json',
          `--outputFile=${report}`,
        ],
        {
          cwd: tree,
          env: {
            ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST') && name !== 'NODE_OPTIONS')),
            PREFIXES: JSON.stringify(prefixes),
            RUNNER: join(root, 'test/migrate/apply.ts'),
          },
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      );
      let said = '';
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text));
      const code = await new Promise((resolve) => child.once('close', resolve));
      const { testResults = [] } = (existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : {}) as {
        testResults?: { message: string; assertionResults: { fullName: string; status: string; failureMessages: string[] }[] }[];
      };
      const results = testResults.flatMap((file) => file.assertionResults);
      expect(results.filter((result) => result.status === 'failed').map((result) => [result.fullName, result.failureMessages[0]])).toEqual(
        [],
      );
      expect([
        code,
        testResults.map((file) => file.message).filter((message) => message !== ''),
        code === 0 ? '' : said.slice(-2000),
      ]).toEqual([0, [], '']);
      for (const { head } of prefixes) expect([head, results.some((result) => result.fullName.startsWith(head))]).toEqual([head, true]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
