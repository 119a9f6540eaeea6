import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { api, request, root, startPlatform, until, type Platform } from '../platform.ts';
import { acmeClient } from '../acme/client.ts';

const folder = mkdtempSync(join(tmpdir(), 'certctl-life-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the program to its end, as somebody who made a mistake would. */
function attempt(...args: string[]): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, ['infra/local/start.ts', ...args], {
    cwd: root,
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status, stderr };
}

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);
const alive = (pid: number): boolean => existsSync(`/proc/${pid}`);
const pidsOf = (platform: Platform): number[] => [platform.instance.pid, ...platform.instance.copies, platform.instance.postgres];

test('a home holds its anchor, token and keys under the right modes, and Ctrl-C leaves no process within three seconds', async () => {
  const home = join(folder, 'modes');
  const platform = await startPlatform({ home, args: ['--copies', '2'] });
  expect(modeOf(home)).toBe('711');
  expect(modeOf(join(home, 'ca.pem'))).toBe('644');
  expect(modeOf(join(home, 'admin-token'))).toBe('600');
  expect(modeOf(join(home, 'keys'))).toBe('700');
  expect(platform.instance.copies).toHaveLength(2);
  const began = performance.now();
  expect(await platform.stop()).toBe(0);
  expect(performance.now() - began).toBeLessThan(3000);
  expect(pidsOf(platform).filter(alive)).toEqual([]);
  expect(existsSync(platform.instance.socketFolder)).toBe(false);
});

test('a second start on a used home builds nothing, keeps all data, the anchor, the token and the http address', async () => {
  const home = join(folder, 'resume');
  const first = await startPlatform({ home });
  const client = await acmeClient(first);
  await client.register({ contact: ['mailto:a@example.com'] });
  const made = await api(first, 'POST', '/api/v1/profiles', { id: 'kept', name: 'Kept' });
  expect(made.status).toBe(201);
  await first.stop();
  const second = await startPlatform({ home });
  try {
    expect(second.output()).not.toContain('synthesized');
    expect([second.ca, second.token, second.pkiUrl]).toEqual([first.ca, first.token, first.pkiUrl]);
    expect((await api(second, 'GET', '/api/v1/profiles/kept')).status).toBe(200);
    expect((await request(second, `${second.url}/acme/profile/kept/directory`)).status).toBe(200);
  } finally {
    await second.stop();
  }
});

test('a host that was killed leaves nothing that keeps the next one from starting', async () => {
  const home = join(folder, 'killed');
  const first = await startPlatform({ home });
  const gone = new Promise((resolve) => first.process.once('exit', resolve));
  first.process.kill('SIGKILL');
  await gone;
  await until('the copies end with it', () => !first.instance.copies.some(alive) || undefined);
  expect(alive(first.instance.postgres)).toBe(true);
  const second = await startPlatform({ home });
  expect(alive(first.instance.postgres)).toBe(false);
  expect(await second.stop()).toBe(0);
});

/** How many sockets listen on a port of 127.0.0.1. */
function listeners(port: string): number {
  const address = `0100007F:${Number(port).toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local === address && state === '0A').length;
}

test('the kernel shares connections out among the copies; one that dies is replaced, and the others go on', async () => {
  const platform = await startPlatform({ args: ['--copies', '2'] });
  const { port } = new URL(platform.url);
  try {
    expect(listeners(port)).toBe(2);
    const [victim] = platform.instance.copies;
    process.kill(victim!, 'SIGKILL');
    await until('every request is answered again', async () => {
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => request(platform, `${platform.url}/health`).catch(() => undefined)),
      );
      return (answers.every((answer) => answer?.status === 200) && listeners(port) === 2) || undefined;
    });
  } finally {
    await platform.stop();
  }
});

test('one home serves one instance, one port one server; an unknown option or a bad number is one line and status 2', async () => {
  const home = join(folder, 'busy');
  const platform = await startPlatform({ home });
  try {
    const second = attempt('--home', home, '--port', '0', '--http-port', '0');
    expect(second).toEqual({
      status: 2,
      stderr: `certctl: the home ${home} is in use by another instance (process ${platform.instance.pid})\n`,
    });
    const taken = attempt('--home', join(folder, 'other'), '--port', new URL(platform.url).port, '--http-port', '0');
    expect(taken).toEqual({ status: 2, stderr: `certctl: port ${new URL(platform.url).port} is in use; choose another with --port\n` });
  } finally {
    await platform.stop();
  }
  const port = attempt('--home', home, '--port', '0', '--http-port', '1234');
  expect(port.status).toBe(2);
  expect(port.stderr).toMatch(/^certctl: the certificates of this home name http:\/\/localhost:\d+ .*\n$/);
  for (const args of [['--no-such-option'], ['--port', 'many'], ['--copies', '0'], ['stray'], ['--dns-resolver', 'name.example']]) {
    const wrong = attempt(...args);
    expect([args, wrong.status, wrong.stderr.split('\n').length]).toEqual([args, 2, 2]);
    expect(wrong.stderr).toMatch(/^certctl: /);
  }
  expect(attempt('--help').status).toBe(0);
});

test('a home under a folder that PostgreSQL’s user cannot enter works, or says in one line what to do', async () => {
  const closed = join(folder, 'closed');
  mkdirSync(closed, { mode: 0o700 });
  const home = join(closed, 'home');
  const platform = await startPlatform({ home });
  const record = JSON.parse(readFileSync(join(home, 'home.json'), 'utf8')) as { database?: string };
  await platform.stop();
  const again = await startPlatform({ home });
  expect(again.ca).toBe(platform.ca);
  await again.stop();
  if (record.database !== undefined) rmSync(join(record.database, '..'), { recursive: true, force: true });
});

// Only root can make a home that is somebody else's.
test.skipIf(process.getuid?.() !== 0)('somebody else’s home is refused', () => {
  const home = join(folder, 'foreign');
  mkdirSync(home);
  spawnSync('chown', ['65534', home]);
  const refused = attempt('--home', home);
  expect([refused.status, refused.stderr]).toEqual([
    2,
    `certctl: the home ${home} belongs to another user (uid 65534); choose another with --home\n`,
  ]);
});
