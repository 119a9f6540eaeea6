import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { membersOf } from '#contract/json-schema.ts';
import { makeProgram } from '../../clients/cli/program.ts';
import { routes } from '#contract/routes.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { root, startPlatform, type Platform } from '../platform.ts';
import { certctl } from './command.ts';

let platform: Platform;
const folder = mkdtempSync(join(tmpdir(), 'certctl-cli-'));
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(async () => {
  await platform.stop();
  rmSync(folder, { recursive: true });
});

test('a certificate is made from a CSR in a file, waited for, and listed as table, JSON and YAML', async () => {
  writeFileSync(join(folder, 'one.csr'), makeCsr(['cli.example.com']).csr);
  const made = await certctl(platform, ['certs', 'create', '--name', 'one', '--csr', `@${join(folder, 'one.csr')}`, '--wait']);
  expect([made.code, made.err]).toEqual([0, expect.stringMatching(/job-\S+ completed/)]);
  expect((await certctl(platform, ['certs', 'list'])).out).toMatch(/^ID +NAME +STATE[^]*\n\S+ +one +active/);
  const json = JSON.parse((await certctl(platform, ['certs', 'list', '-o', 'json'])).out) as { items: { name: string }[] };
  const yaml = parse((await certctl(platform, ['-o', 'yaml', 'certs', 'list'])).out) as unknown;
  expect(json.items.map(({ name }) => name)).toContain('one');
  expect(yaml).toEqual(json);
});

test('a CSR comes through standard input, and a second certificate of the same name is refused with the server’s words', async () => {
  const create = ['certs', 'create', '--name', 'two', '--csr', '@-'];
  expect((await certctl(platform, create, {}, makeCsr(['two.example.com']).csr)).code).toBe(0);
  const again = await certctl(platform, create, {}, makeCsr(['two.example.com']).csr);
  expect([again.code, again.err]).toEqual([1, expect.stringMatching(/^certctl: conflict: .*\[urn:certctl:request:/)]);
});

test('what a route takes is never taken for an option of the program', async () => {
  const invited = await certctl(platform, [
    'eab',
    'create',
    '--profile',
    'internal',
    '--max-uses',
    '10',
    '--allowed-names',
    '.corp.example',
  ]);
  expect([invited.code, invited.out]).toEqual([0, expect.stringMatching(/^profile +internal$/m)]);
  const own = new Set(['server', 'aws', 'token_file', 'ca_file', 'connection', 'output', 'wait', 'help']);
  const taken = routes.flatMap(({ route }) => [route.query, route.body].flatMap((part) => Object.keys(membersOf(part).properties)));
  expect(taken.filter((name) => own.has(name))).toEqual([]);
});

test('a job that fails ends a wait with 4 and its reason', async () => {
  // The issuer is switched off, so its jobs fail.
  await certctl(platform, ['issuers', 'switch', 'iss-local', '--enabled', 'false', '--if-match', 'any']);
  try {
    const made = await certctl(
      platform,
      ['certs', 'create', '--name', 'three', '--csr', '@-', '--wait'],
      {},
      makeCsr(['three.example.com']).csr,
    );
    expect([made.code, made.err]).toEqual([4, expect.stringContaining('failed')]);
  } finally {
    expect((await certctl(platform, ['issuers', 'switch', 'iss-local', '--enabled', 'true', '--if-match', 'any'])).code).toBe(0);
  }
});

test.each([
  [['nonsense'], 2, /unknown command/],
  [['keys', 'create', '--name', 'BAD', '--roles', '{"role":"r-viewer"}'], 2, /--name: lower-case/],
  [['keys', 'create', '--name', 'x', '--roles', 'r-viewer'], 2, /no JSON/],
  [['jobs', 'list', '--status', 'odd'], 2, /Allowed choices/],
  [['certs', 'get'], 2, /missing required argument 'id'/],
  [['certs', 'create', '--name', 'x', '--csr', '@/nonexistent'], 2, /cannot be read/],
  [['--server', 'http://localhost', 'ready'], 2, /no https/],
  [['--server', 'https://127.0.0.1:9', 'ready'], 3, /does not answer/],
  [['certs', 'get', 'mc-nothing'], 1, /notFound/],
])('certctl %j ends with %i and says so', async (args, code, line) => {
  const ended = await certctl(platform, args);
  expect([ended.code, ended.out]).toEqual([code, '']);
  expect(ended.err).toMatch(line);
});

test('a key that is wrong is told to come from somewhere', async () => {
  expect((await certctl(platform, ['certs', 'list'], { CERTCTL_TOKEN: 'ck_00000000_nothing' })).err).toMatch(
    /unauthenticated.*--token-file/,
  );
});

test('a server whose root is not trusted is told what to name', async () => {
  const ended = await certctl(undefined, ['ready'], { CERTCTL_SERVER: platform.url });
  expect([ended.code, ended.err]).toEqual([3, expect.stringMatching(/does not answer: UNABLE_TO_.*--ca-file/)]);
});

test('without settings nothing is guessed; a saved connection, and a platform in its home, are found', async () => {
  expect(await certctl(undefined, ['ready'])).toMatchObject({ code: 2, err: expect.stringContaining('say where the server is') as string });
  const saved = { XDG_CONFIG_HOME: folder };
  const where = ['--server', platform.url, '--ca-file', join(platform.home, 'ca.pem'), '--token-file', join(platform.home, 'admin-token')];
  expect((await certctl(undefined, [...where, 'configure', 'lab'], saved)).code).toBe(0);
  expect(statSync(join(folder, 'certctl/config.yaml')).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(folder, 'certctl/config.yaml'), 'utf8')).not.toContain(platform.token);
  expect((await certctl(undefined, ['--connection', 'lab', 'auth', 'me'], saved)).out).toContain('ak-bootstrap');
  expect((await certctl(undefined, ['--connection', 'other', 'auth', 'me'], saved)).err).toContain('there is no connection other');
  const home = { CERTCTL_HOME: platform.home, CERTCTL_PORT: new URL(platform.url).port };
  expect((await certctl(undefined, ['auth', 'me'], home)).out).toContain('ak-bootstrap');
});

test('a connection can be saved that signs as an AWS identity; a key that is given with a command wins, and both at once are refused', async () => {
  const saved = { XDG_CONFIG_HOME: folder };
  expect((await certctl(undefined, ['--server', 'https://aws.example.com/', '--aws', 'configure', 'cloud'], saved)).code).toBe(0);
  const where = async (args: readonly string[], env = {}): Promise<string> =>
    (await certctl(undefined, ['--connection', 'cloud', ...args, 'where'], { ...saved, ...env })).out;
  expect(await where([])).toMatch(/^https:\/\/aws\.example\.com\/iam as an AWS identity;/);
  expect(await where([], { CERTCTL_TOKEN: 'ck_12345678_and_more' })).toMatch(/^https:\/\/aws\.example\.com\/ with the key ck_12345678…;/);
  const both = await certctl(undefined, ['--connection', 'cloud', '--aws', '--token-file', '/nonexistent', 'where'], saved);
  expect([both.code, both.err]).toEqual([2, expect.stringContaining('exclude each other')]);
});

test('who brings a key loads nothing of AWS’s SDK', () => {
  const program = pathToFileURL(join(root, 'clients/cli/program.ts')).href;
  const script = `import { createRequire } from 'node:module';
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).filter((file) => /@aws-sdk|@smithy/.test(file)).length > 0;
    await import(${JSON.stringify(program)});
    const before = loaded();
    await import('@smithy/signature-v4');
    console.log(before, loaded());`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, encoding: 'utf8' });
  expect(stdout).toBe('false true\n');
});

test('every route has its command, and its help says what the contract says', () => {
  const program = makeProgram({ width: Infinity, env: {}, out: () => undefined, err: () => undefined });
  const commands = routes.flatMap(({ route }) => (route.command === undefined ? [] : [{ noun: route.command.split(' ')[0]!, route }]));
  for (const noun of new Set(commands.map((one) => one.noun))) {
    const help = program.commands
      .find((command) => command.name() === noun)!
      .helpInformation()
      .replace(/\s+/g, ' ');
    for (const { route } of commands.filter((one) => one.noun === noun)) expect(help).toContain(route.summary.replace(/\s+/g, ' '));
  }
});

test('what completion offers in bash follows the tree', async () => {
  const script = (await certctl(undefined, ['completion', 'bash'])).out;
  const offered = (line: string): string => {
    const words = line.split(' ');
    const run = `${script}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _certctl; printf '%s ' "\${COMPREPLY[@]}"`;
    return spawnSync('bash', ['-c', run]).stdout.toString().trim();
  };
  expect(offered('certctl cer')).toBe('certs');
  expect(offered('certctl certs arch')).toBe('archive');
  expect(offered('certctl certs create --keep')).toBe('--keep-csr');
  expect(offered('certctl -o json jobs can')).toBe('cancel');
  for (const shell of ['zsh', 'fish']) expect((await certctl(undefined, ['completion', shell])).out).toContain('archive');
});
