import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../interop/tool.ts';
import { api, root, startPlatform, type Platform } from '../platform.ts';
import { nameOf } from './case.ts';
import { demanding, doors, here, localOptions } from './local-options.ts';
import { line } from './report.ts';
import { runSuite, type Result } from './run.ts';
import { sections } from './sections.ts';
import { openSession, startResponders, type Responders } from './session.ts';

let responders: Responders & { close(): Promise<void> };
let platform: Platform;
beforeAll(async () => {
  responders = await startResponders(here);
  platform = await startPlatform({ args: doors(responders) });
});
afterAll(async () => {
  await platform.stop();
  await responders.close();
});

async function invitation(profile: string): Promise<{ readonly kid: string; readonly hmac: string }> {
  const key = (await api(platform, 'POST', '/api/v1/eab-keys', { profile, max_uses: 1000 })).json();
  return { kid: String(key['key_id']), hmac: String(key['hmac_key']) };
}

async function judge(profile: string): Promise<readonly Result[]> {
  const options = localOptions(`${platform.url}/acme/profile/${profile}/directory`, platform.ca, await invitation(profile));
  const session = await openSession(options, responders);
  try {
    return await runSuite(session.subject, sections, options);
  } finally {
    session.close();
  }
}

const failuresOf = (results: readonly Result[]): readonly string[] => results.filter(({ outcome }) => outcome === 'fail').map(line);
const inapplicable = (results: readonly Result[]): readonly string[] =>
  results.filter(({ outcome }) => outcome === 'not applicable').map((result) => nameOf(result.case));

/** What this server does not do. */
const notOffered = [
  'RFC 8555 §7.4.1 newAuthz makes a pending authorization and gives its URL',
  'RFC 8555 §7.4.1 newAuthz takes no wildcard',
];
/** What takes a certificate from elsewhere. */
const notGiven = ['RFC 8555 §7.4.2 alternate chains are certificates for the same key'];

test('where every name is proven, terms are agreed to and an invitation is wanted, no clause is broken', { timeout: 240_000 }, async () => {
  expect((await api(platform, 'POST', '/api/v1/profiles', demanding)).status).toBe(201);
  const results = await judge('demanding');
  expect(failuresOf(results)).toEqual([]);
  expect([...inapplicable(results)].sort()).toEqual([...notOffered, ...notGiven].sort());
});

test('under trust no clause is broken, and only what concerns proof does not apply', { timeout: 240_000 }, async () => {
  const results = await judge('internal');
  expect(failuresOf(results)).toEqual([]);
  const about =
    /^RFC 8555 §(7\.3 where there are terms|7\.1\.3 .*pending|7\.1\.6 .*(pending|invalid)|7\.4 .*not ready|7\.5\.1|7\.6 .*valid authorizations|8)|^RFC 8737|^RFC 8738 §5|^RFC 8739|^RFC 9444|^draft-ietf-acme-dns/;
  const others = inapplicable(results).filter((name) => !about.test(name));
  expect([...others].sort()).toEqual([...notOffered, ...notGiven].sort());
});

test('the command tries what it is told to, writes JUnit, and ends with 0 when nothing failed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
  try {
    const file = join(folder, 'junit.xml');
    const args = ['--ca', join(platform.home, 'ca.pem'), '--only', 'RFC 8555 §7.2', '--only', '§6.5 a nonce is', '--junit', file];
    const { status, output } = await command(...args, `${platform.url}/acme/profile/default/directory`);
    expect([status, output.trim().split('\n').at(-1)]).toEqual([0, '5 passed, 0 failed, 0 not applicable']);
    const written = readFileSync(file, 'utf8');
    expect(written.match(/<testcase /g)).toHaveLength(5);
    expect(written).toContain('<testsuite name="RFC 8555 §7.2 getting a nonce" tests="4" failures="0" skipped="0">');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('the command ends with 1 when a clause is broken and says by what', async () => {
  const wrong = ['--eab-kid', 'nobody', '--eab-hmac', 'bm90aGluZw', '--only', 'an account with a right binding is made'];
  const { status, output } = await command(
    '--ca',
    join(platform.home, 'ca.pem'),
    ...wrong,
    `${platform.url}/acme/profile/default/directory`,
  );
  expect(status).toBe(1);
  expect(output).toMatch(/^FAIL {2}RFC 8555 §7\.3\.4 .*\n.*newAccount should be answered with 2xx, not 403 .*unauthorized/m);
});

test.each([
  [['https://127.0.0.1:1/directory'], /^the server could not be tried: .*ECONNREFUSED/],
  [[], /^name one directory by its URL; --help shows the options$/],
  [['--eab-kid', 'x', 'https://a.example/'], /^--eab-kid and --eab-hmac go together; /],
  [['--patience', '0', 'https://a.example/'], /^--patience must be a number from 1 to 3600; /],
  [['--unheard-of', 'https://a.example/'], /^Unknown option '--unheard-of'/],
])('the command ends with 2 and one line when it cannot try a server: %j', async (args, message) => {
  const { status, output } = await command(...args);
  expect([status, output.trim().split('\n').length]).toEqual([2, 1]);
  expect(output.trim()).toMatch(message);
});

function command(...args: readonly string[]): ReturnType<typeof run> {
  return run(process.execPath, ['test/acme-conformance/main.ts', ...args], {}, root);
}
