import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certificatesOfPem, toPem } from '#domain/x509/pem.ts';
import { freePort } from '#infra/local/free-port.ts';
import { startPlatform, type Platform } from '../platform.ts';
import { judge } from './certificate.ts';
import { startNameServer, type NameServer } from './name-server.ts';
import { has, run, succeed, type Outcome } from './tool.ts';
import { startWebRoot, type WebRoot } from './web-root.ts';

// The clients of Debian that are small enough to share a platform. Each lives its life: account, order, renewal, revocation, end of the account, as far as it
// knows these.
let platform: Platform;
let dns: NameServer;
let web: WebRoot;
let folder: string;
let directory: string;
let root: string;
let alpnPort: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'small-'));
  dns = await startNameServer();
  const port = await freePort();
  alpnPort = String(await freePort());
  web = await startWebRoot(folder, port);
  platform = await startPlatform({
    args: ['--door-http01-port', String(port), '--door-tls-alpn01-port', alpnPort, '--dns-resolver', dns.address],
  });
  directory = `${platform.url}/acme/profile/default/directory`;
  root = join(platform.home, 'ca.pem');
});
afterAll(async () => {
  await platform.stop();
  await web.stop();
  dns.stop();
  rmSync(folder, { recursive: true, force: true });
});

function script(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${text}`);
  chmodSync(file, 0o755);
  return file;
}

/** Leaf and chain of what a client left, kept: clients move and delete what they revoke. */
function kept(tag: string, pem: string): { readonly leaf: string; readonly chain: string } {
  const [leaf, ...chain] = certificatesOfPem(pem);
  const files = { leaf: join(folder, `${tag}-leaf.pem`), chain: join(folder, `${tag}-chain.pem`) };
  writeFileSync(files.leaf, toPem('CERTIFICATE', leaf!));
  writeFileSync(files.chain, chain.map((one) => toPem('CERTIFICATE', one)).join(''));
  return files;
}

/** For clients that trust what the system trusts and can be told nothing else: a system of their own. */
const trusting = (command: string, args: readonly string[]): Promise<Outcome> =>
  run('unshare', ['-m', 'sh', '-c', 'mount --bind "$0" /etc/ssl/certs/ca-certificates.crt && exec "$@"', root, command, ...args]);

async function trustingSucceeds(command: string, args: readonly string[]): Promise<string> {
  const { status, output } = await trusting(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${String(status)}:\n${output}`);
  return output;
}

function hasGem(): boolean {
  const found = spawnSync('ruby', ['-e', "require 'acme-client'"]).status === 0;
  if (!found && process.env['CI'] !== undefined) throw new Error('the gem acme-client is missing, and CI must not skip it');
  return found;
}

function hasErlangLibrary(): boolean {
  const found = spawnSync('erl', ['-noshell', '-eval', 'halt(case code:lib_dir(p1_acme) of {error, _} -> 1; _ -> 0 end).']).status === 0;
  if (!found && process.env['CI'] !== undefined) throw new Error('erlang-p1-acme is missing, and CI must not skip it');
  return found;
}

/** Where Debian has the sources of Go's libraries. */
const gocode = '/usr/share/gocode';

function hasGo(): boolean {
  const found = existsSync(join(gocode, 'src/golang.org/x/crypto/acme/autocert'));
  if (!found && process.env['CI'] !== undefined) throw new Error('golang-golang-x-crypto-dev is missing, and CI must not skip it');
  return has('go') && found;
}

const mayMount = process.getuid?.() === 0 && has('unshare');

test.skipIf(!has('dehydrated'))(
  'dehydrated gets, renews and revokes by http-01 and dns-01, and deactivates its account',
  async () => {
    const { verify, status } = judge(platform);
    const base = join(folder, 'dehydrated');
    mkdirSync(base);
    const hook = script(
      'dehydrated-hook',
      `case "$1" in deploy_challenge) echo "$4" >> '${dns.folder}'/_acme-challenge."$2";; clean_challenge) rm -f '${dns.folder}'/_acme-challenge."$2";; esac\n`,
    );
    const config = join(folder, 'dehydrated.conf');
    writeFileSync(
      config,
      `CA='${directory}'\nCURL_OPTS='--cacert ${root}'\nBASEDIR='${base}'\nWELLKNOWN='${web.challenges('dehydrated')}'\nCONTACT_EMAIL=ops@example.com\nACCOUNT_KEYSIZE=2048\nKEYSIZE=2048\n`,
    );
    const dehydrated = (...args: readonly string[]): Promise<string> => succeed('dehydrated', ['--config', config, ...args]);
    await dehydrated('--register', '--accept-terms');
    const order = ['--cron', '--domain', 'd1.localhost', '--algo', 'rsa'];
    await dehydrated(...order);
    const file = join(base, 'certs/d1.localhost/fullchain.pem');
    const first = readFileSync(file, 'utf8');
    await dehydrated(...order, '--force');
    expect(readFileSync(file, 'utf8')).not.toBe(first);
    const { leaf, chain } = kept('dehydrated', readFileSync(file, 'utf8'));
    await verify(chain, leaf);
    expect(await status(chain, leaf)).toBe('good');
    await dehydrated(
      '--cron',
      '--challenge',
      'dns-01',
      '--hook',
      hook,
      '--domain',
      'd.example.test *.d.example.test',
      '--algo',
      'prime256v1',
    );
    await dehydrated('--revoke', join(base, 'certs/d1.localhost/cert.pem'));
    expect(await status(chain, leaf)).toBe('revoked');
    expect(await dehydrated('--deactivate')).toMatch(/Done/);
    // A shell script of thousands of processes, on a machine that others use too.
  },
  240_000,
);

test.skipIf(!has('acme-tiny'))('acme-tiny gets a certificate of a CSR with names in upper case, and says why it gets none', async () => {
  const key = join(folder, 'tiny.key');
  await succeed('openssl', ['genrsa', '-out', key, '2048']);
  const tiny = async (tag: string, name: string, challenges: string): Promise<Outcome> => {
    const [own, csr] = [join(folder, `${tag}.key`), join(folder, `${tag}.csr`)];
    await succeed('openssl', ['req', '-newkey', 'rsa:2048', '-nodes', '-keyout', own, '-subj', `/CN=${name}`, '-out', csr]);
    return run(
      'acme-tiny',
      ['--quiet', '--account-key', key, '--csr', csr, '--acme-dir', challenges, '--directory-url', directory, '--disable-check'],
      { SSL_CERT_FILE: root },
    );
  };
  const issued = await tiny('upper', 'Tiny.LOCALHOST', web.challenges('tiny'));
  expect(issued.status, issued.output).toBe(0);
  const { leaf, chain } = kept('tiny', issued.output);
  await judge(platform).verify(chain, leaf);
  const refused = await tiny('refused', 'under_score.localhost', web.challenges('tiny-refused'));
  expect(refused.status).not.toBe(0);
  expect(refused.output).toContain('under_score.localhost: not a dns name');
});

test.skipIf(!has('acmetool'))('acmetool gets a certificate', async () => {
  const [state, hooks] = [join(folder, 'acmetool'), join(folder, 'acmetool-hooks')];
  mkdirSync(join(state, 'conf'), { recursive: true });
  mkdirSync(hooks);
  writeFileSync(
    join(state, 'conf/target'),
    `request:\n  provider: ${directory}\n  challenge:\n    webroot-paths: [${web.challenges('acmetool')}]\n    http-self-test: false\n  key:\n    type: ecdsa\n`,
  );
  const answers = join(folder, 'acmetool.yaml');
  writeFileSync(answers, '"acme-enter-email": "ops@example.com"\n"acme-agreement:": true\n');
  const acmetool = (...args: readonly string[]): Promise<string> =>
    succeed('acmetool', [`--state=${state}`, `--hooks=${hooks}`, `--response-file=${answers}`, '--batch', ...args], {
      SSL_CERT_FILE: root,
    });
  await acmetool('want', 't1.localhost', 't2.localhost');
  const { leaf, chain } = kept('acmetool', readFileSync(join(state, 'live/t1.localhost/fullchain'), 'utf8'));
  // Its `revoke` notes the wish and never asks a server.
  await judge(platform).verify(chain, leaf);
});

test.skipIf(!hasGem())('acme-client for Ruby, whose CSRs say version 2, gets a certificate, revokes it and ends its account', async () => {
  const { verify, status } = judge(platform);
  const said = await succeed('ruby', ['test/interop/ruby/life.rb', directory, root, web.challenges('ruby')]);
  const { leaf, chain } = kept('ruby', said);
  await verify(chain, leaf);
  expect(await status(chain, leaf)).toBe('revoked');
  expect(said).toMatch(/^refused: a_b\.localhost: not a dns name.*\ndeactivated$/m);
});

test.skipIf(!hasErlangLibrary())(
  'p1_acme, the client of ejabberd, gets certificates of RSA and EC keys and revokes them by their keys',
  async () => {
    const { verify, status } = judge(platform);
    const said = await succeed('escript', ['test/interop/erlang/life.escript', directory, root, web.challenges('erlang')]);
    const issued = certificatesOfPem(said);
    expect(issued).toHaveLength(4);
    for (const [index, pair] of [issued.slice(0, 2), issued.slice(2)].entries()) {
      const { leaf, chain } = kept(`erlang${index}`, pair.map((one) => toPem('CERTIFICATE', one)).join(''));
      await verify(chain, leaf);
      expect(await status(chain, leaf)).toBe('revoked');
    }
  },
);

test.skipIf(!hasGo())(
  'Go’s own client lives the life of an account, and autocert gets a certificate with the first handshake',
  async () => {
    const program = join(folder, 'life');
    const legacy = { GO111MODULE: 'off', GOPATH: gocode, GOFLAGS: '' };
    await succeed('go', ['build', '-o', program, 'test/interop/go/life.go'], legacy);
    const said = await succeed(program, [directory, root, web.challenges('go'), dns.folder, alpnPort]);
    const lines = said.split('\n').filter((line) => /^[a-z ]+: /.test(line));
    expect(lines).toEqual([
      'registered twice: acme: account already exists',
      'contact: [mailto:new@example.com]',
      'alternates: 0',
      'issued: [go1.localhost *.go.example.test] good',
      'revoked: revoked',
      expect.stringMatching(/^given up: acme: order .* status: invalid/),
      expect.stringMatching(/^refused: 400 .*:rejectedIdentifier: a_b\.localhost: not a dns name/),
      'autocert: [auto.localhost]',
      'deactivated: 401 urn:ietf:params:acme:error:unauthorized: the account is deactivated',
    ]);
  },
);

test.skipIf(!has('ansible-playbook'))('Ansible says of each step of an account’s life whether it changed anything', async () => {
  const { verify, status } = judge(platform);
  const work = join(folder, 'ansible');
  mkdirSync(work);
  const variables = JSON.stringify({ directory, zone: dns.folder, work });
  const said = await succeed('ansible-playbook', ['test/interop/ansible/life.yml', '--extra-vars', variables], {
    SSL_CERT_FILE: root,
    ANSIBLE_HOME: join(folder, 'ansible-home'),
    ANSIBLE_LOCALHOST_WARNING: 'false',
  });
  expect(said).toMatch(/failed=0 /);
  const { leaf, chain } = kept('ansible', readFileSync(join(work, 'full.pem'), 'utf8'));
  await verify(chain, leaf);
  expect(await status(chain, leaf)).toBe('revoked');
});

describe.skipIf(!mayMount)('a client that trusts what the system trusts:', () => {
  test.skipIf(!has('uacme'))('uacme asks OCSP whether it must renew, staples, changes its key, and ends its account', async () => {
    const { verify, status } = judge(platform);
    const base = join(folder, 'uacme');
    const challenges = web.challenges('uacme');
    const hook = script(
      'uacme-hook',
      `[ "$2" = http-01 ] || exit 1\ncase "$1" in begin) printf %s "$5" > '${challenges}'/"$4";; *) rm -f '${challenges}'/"$4";; esac\n`,
    );
    const uacme = (...args: readonly string[]): Promise<Outcome> =>
      trusting('uacme', ['-v', '-c', base, '-a', directory, '-h', hook, ...args]);
    const done = async (...args: readonly string[]): Promise<void> => {
      const { status: code, output } = await uacme(...args);
      expect(code, output).toBe(0);
    };
    await done('-y', 'new', 'ops@example.com');
    await done('-m', '-t', 'EC', 'issue', 'u1.localhost', 'u2.localhost');
    const file = join(base, 'u1.localhost/cert.pem');
    const { leaf, chain } = kept('uacme', readFileSync(file, 'utf8'));
    await verify(chain, leaf);
    expect(await succeed('openssl', ['x509', '-in', leaf, '-noout', '-ext', 'tlsfeature'])).toContain('status_request');
    // 1: nothing to do.
    const notDue = await uacme('issue', 'u1.localhost', 'u2.localhost');
    expect([notDue.status, notDue.output]).toEqual([1, expect.stringContaining('OCSP certificate status is GOOD')]);
    await done('-y', 'update', 'new@example.com');
    await done('-y', 'newkey');
    await done('revoke', file);
    expect(await status(chain, leaf)).toBe('revoked');
    // As if somebody else had revoked it.
    writeFileSync(file, readFileSync(leaf, 'utf8') + readFileSync(chain, 'utf8'));
    const renewed = await uacme('-t', 'EC', 'issue', 'u1.localhost', 'u2.localhost');
    expect([renewed.status, renewed.output]).toEqual([0, expect.stringContaining('REVOKED')]);
    await done('-y', 'deactivate');
    expect((await uacme('issue', 'u3.localhost')).output).toContain('the account of this key is deactivated');
  });

  test.skipIf(!has('lacme'))('lacme, whose key is a process of its own, gets a certificate and revokes it', async () => {
    const { verify, status } = judge(platform);
    const base = join(folder, 'lacme');
    mkdirSync(base);
    await succeed('openssl', ['genrsa', '-out', `${base}/account.key`, '2048']);
    await succeed('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${base}/own.key`]);
    writeFileSync(`${base}/accountd.conf`, `privkey = file:${base}/account.key\n`);
    writeFileSync(
      `${base}/lacme.conf`,
      `[client]\nuser =\ngroup =\nserver = ${directory}\n[webserver]\nlisten =\nchallenge-directory = ${web.challenges('lacme')}\nuser =\ngroup =\n[accountd]\nuser =\ngroup =\nconfig = ${base}/accountd.conf\n`,
    );
    writeFileSync(
      `${base}/certs.conf`,
      `[one]\ncertificate = ${base}/leaf.pem\ncertificate-chain = ${base}/full.pem\ncertificate-key = ${base}/own.key\nhash = sha256\nsubject = /CN=l1.localhost\nsubjectAltName = DNS:l1.localhost, DNS:l2.localhost\nCAfile = ${root}\n`,
    );
    const lacme = (...args: readonly string[]): Promise<string> => trustingSucceeds('lacme', [`--config=${base}/lacme.conf`, ...args]);
    await lacme('account', '--tos-agreed', '--register', 'mailto:ops@example.com');
    await lacme('newOrder', `--config-certs=${base}/certs.conf`);
    expect(existsSync(`${base}/leaf.pem`)).toBe(true);
    const { leaf, chain } = kept('lacme', readFileSync(`${base}/full.pem`, 'utf8'));
    await verify(chain, leaf);
    await lacme('revokeCert', `${base}/leaf.pem`);
    expect(await status(chain, leaf)).toBe('revoked');
  });
});
