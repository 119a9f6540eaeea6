import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runCommand } from './command.ts';

test('a command is its words, read by no shell, and sees nothing of the environment', async () => {
  process.env['SECRET_OF_THE_HOST'] = 'x';
  const printed = await runCommand(['printf', '%s|', '$(id)', 'a b', ';true']);
  expect(printed).toMatchObject({ status: 0, output: '$(id)|a b|;true|', timedOut: false });
  const environment = (await runCommand(['env'])).output
    .trim()
    .split('\n')
    .map((line) => line.split('=')[0]);
  expect(environment.sort()).toEqual(['LANG', 'LC_ALL', 'PATH']);
  delete process.env['SECRET_OF_THE_HOST'];
});

test('a command that does not end is killed with everything that it started', async () => {
  const result = await runCommand(['sh', '-c', 'sleep 987 & echo $!; wait'], { timeoutMs: 300 });
  expect(result).toMatchObject({ status: undefined, timedOut: true });
  const child = Number(result.output.trim());
  await expect.poll(() => alive(child), { timeout: 20_000 }).toBe(false);
});

test('a daemon that the command leaves behind does not hold it up', async () => {
  const result = await runCommand(['sh', '-c', 'sleep 30 & echo $!'], { timeoutMs: 20_000 });
  expect(result).toMatchObject({ status: 0, timedOut: false });
  process.kill(Number(result.output.trim()), 'SIGKILL');
});

test('what is kept of the output is bounded', async () => {
  const { output, status } = await runCommand(['sh', '-c', 'head -c 1000000 /dev/zero; echo err >&2']);
  expect(status).toBe(0);
  expect(output.length).toBeLessThanOrEqual(16_384);
});

test('a program that is not there fails as a shell would say it', async () => {
  expect(await runCommand(['no-such-program-anywhere'])).toMatchObject({
    status: 127,
    output: expect.stringContaining('ENOENT') as string,
  });
});

/** A process that has ended may stay a zombie until somebody asks for its status. */
function alive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}
