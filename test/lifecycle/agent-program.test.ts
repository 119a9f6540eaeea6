import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agentFlags, buildAgent } from '../../clients/agent/build.ts';
import { root, until } from '../platform.ts';

const folder = mkdtempSync(join(tmpdir(), 'agent-program-'));
const file = join(folder, 'certctl-agent.mjs');
const state = join(folder, 'state');
const started: ChildProcess[] = [];
beforeAll(async () => {
  await buildAgent(file);
  mkdirSync(state);
  const private_key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'pem', type: 'pkcs8' });
  // Nobody listens there: an agent that is cut off for good.
  writeFileSync(
    join(state, 'identity.json'),
    JSON.stringify({ agent_id: 'agent-1', name: 'one', server: 'https://localhost:9', ca: null, private_key }),
  );
});
afterAll(() => {
  for (const child of started) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** The program away from the repository, as an installed one is. */
function start(errors: 'inherit' | 'pipe' = 'inherit'): {
  child: ChildProcess;
  log: () => string;
  said: () => string;
  ended: Promise<number | null>;
} {
  const child = spawn(process.execPath, [...agentFlags, file, 'run', '--state-dir', state], {
    cwd: folder,
    stdio: ['ignore', 'pipe', errors],
  });
  started.push(child);
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  return { child, log: () => text, said: () => said, ended: new Promise((resolve) => child.once('close', resolve)) };
}

test('given one file and nothing beside it, the agent runs in at most 80 MB, says once that the platform is away, and ends at once when told', async () => {
  const { child, log, ended } = start();
  await until('it has tried', () =>
    log().includes('"message":"poll failed"') && log().includes('"message":"heartbeat failed"') ? true : undefined,
  );
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1000;
  console.log(`the agent takes ${rss.toFixed(0)} MB`);
  expect(rss).toBeLessThan(80);
  expect(log().match(/poll failed/g)).toHaveLength(1);
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

test('given an agent that runs, a second one on its folder ends and says why; one that was killed is no obstacle', async () => {
  const first = start();
  await until('it runs', () => (first.log().includes('poll failed') ? true : undefined));
  const second = start('pipe');
  expect(await second.ended).toBe(2);
  expect(second.said()).toContain(`as process ${first.child.pid}`);
  first.child.kill('SIGKILL');
  await first.ended;
  const third = start();
  await until('it runs', () => (third.log().includes('poll failed') ? true : undefined));
  third.child.kill('SIGTERM');
  expect(await third.ended).toBe(0);
  expect(existsSync(join(state, 'running'))).toBe(false);
});

test('given settings that are wrong, the program says what, and exits with 2', () => {
  const run = (...args: string[]) => {
    try {
      return { code: 0, out: execFileSync(process.execPath, [file, ...args], { encoding: 'utf8', stdio: 'pipe', cwd: folder }) };
    } catch (error) {
      const { status, stderr } = error as { status: number; stderr: string };
      return { code: status, out: stderr };
    }
  };
  const settings = join(folder, 'bad.yaml');
  writeFileSync(settings, 'allowed_comands: []\n');
  expect(run('run', '--config', settings)).toMatchObject({ code: 2, out: expect.stringContaining('allowed_comands') as string });
  expect(run('run', '--config', join(folder, 'none.yaml'))).toMatchObject({ code: 2 });
  expect(run('run', '--state-dir', join(folder, 'nobody'))).toMatchObject({ code: 2, out: expect.stringContaining('enrol') as string });
  expect(run('dance')).toMatchObject({ code: 2 });
  expect(run('status', '--state-dir', state)).toMatchObject({ code: 3, out: expect.stringContaining('ECONNREFUSED') as string });
  expect(run('--version').out.trim()).toBe((JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version);
});

test('given the installer and a folder for a root, it puts program, settings and unit there, and leaves settings that are there alone', () => {
  const destination = join(folder, 'root');
  const install = () =>
    execFileSync('sh', [join(root, 'clients/agent/install.sh'), file], {
      env: { ...process.env, DESTDIR: destination, PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}` },
      encoding: 'utf8',
    });
  expect(install()).toContain('certctl-agent enrol');
  const settings = join(destination, 'etc/certctl-agent/config.yaml');
  expect(readFileSync(settings, 'utf8')).toContain('allowed_commands');
  writeFileSync(settings, '# mine\n');
  install();
  expect(readFileSync(settings, 'utf8')).toBe('# mine\n');
  expect(readFileSync(join(destination, 'etc/systemd/system/certctl-agent.service'), 'utf8')).toContain(
    'ExecStart=/usr/local/bin/certctl-agent run',
  );
  expect(execFileSync(process.execPath, [join(destination, 'usr/local/bin/certctl-agent'), '--version'], { encoding: 'utf8' })).toMatch(
    /^\d/,
  );
});
