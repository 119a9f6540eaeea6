import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { freePort } from '#infra/local/free-port.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { api, startPlatform, until, type Platform } from '../platform.ts';
import { issueBelow, makeChild, makeRoot, type Authority } from '../revocation/hierarchy.ts';
import { publishedList, serialOf } from '../revocation/status.ts';
import { ended, launch, reachable } from '../targets/daemon.ts';
import { has, run, succeed } from './tool.ts';

// Servers that ask for the status of certificates: of their own, to staple it, and of those that their clients come with.
let platform: Platform;
let authorities: { readonly root: Authority; readonly issuing: Authority };
let folder: string;
let children: ChildProcess[] = [];
const names = { good: '', revoked: '' };
const kinds = ['good', 'revoked'] as const;
const file = (name: string): string => join(folder, name);
const listUrl = (id: string): string => `${platform.pkiUrl}/.well-known/pki/crl/${id}.crl`;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'relying-'));
  platform = await startPlatform();
  const root = await makeRoot(platform);
  const issuing = await makeChild(platform, root);
  authorities = { root, issuing };
  const profile = {
    id: 'peers',
    name: 'Peers',
    acme_auth_mode: 'trust_authenticated',
    eab_required: true,
    acknowledge_trust: true,
    extended_key_usages: ['serverAuth', 'clientAuth'],
  };
  expect((await api(platform, 'POST', '/api/v1/profiles', profile)).status).toBe(201);
  const keys: string[] = [];
  const csr = (name: string): string => {
    names[kinds[keys.length]!] = name;
    const made = makeCsr([name]);
    keys.push(made.key);
    return made.csr;
  };
  const leaves = await issueBelow(platform, issuing, 2, { profile: 'peers', csr });
  await api(platform, 'POST', `/api/v1/certificates/${leaves[1]!.id}/revoke`, { reason: 'superseded' });
  await until('it is listed', async () => (await publishedList(platform, issuing.id)).entries.has(serialOf(leaves[1]!)) || undefined);
  for (const [index, kind] of kinds.entries()) {
    writeFileSync(file(`${kind}.key`), keys[index]!);
    writeFileSync(file(`${kind}.pem`), leaves[index]!.leaf + issuing.certificate);
    writeFileSync(file(`${kind}-all.pem`), leaves[index]!.leaf + issuing.certificate + keys[index]!);
  }
  writeFileSync(file('root.pem'), root.certificate);
  writeFileSync(file('trusted.pem'), issuing.certificate + root.certificate);
  const lists = await Promise.all(
    [issuing, root].map(async ({ id }) => {
      writeFileSync(file(`${id}.crl`), Buffer.from(await (await fetch(listUrl(id))).arrayBuffer()));
      return succeed('openssl', ['crl', '-inform', 'der', '-in', file(`${id}.crl`)]);
    }),
  );
  writeFileSync(file('lists.pem'), lists.join(''));
});
afterEach(async () => {
  for (const child of children) await ended(child);
  children = [];
});
afterAll(async () => {
  await platform.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(command: string, args: readonly string[], ports: readonly number[]): Promise<void> {
  const child = launch(command, args);
  children.push(child);
  const said = text(child.stderr!);
  await until(`${command} listens`, async () => {
    if (child.exitCode !== null) throw new Error(`${command} ended: ${await said}`);
    return (await Promise.all(ports.map(reachable))).every(Boolean) || undefined;
  });
}

/** What a server staples, as openssl says it. */
async function stapled(port: number, kind: 'good' | 'revoked'): Promise<string | undefined> {
  const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', names[kind], '-CAfile', file('root.pem'), '-status'];
  const said = await succeed('openssl', args);
  expect(said).toContain('Verify return code: 0 (ok)');
  return /Cert Status: (\w+)/.exec(said)?.[1];
}

/** The status of the answer to a client that comes with one of the certificates; 0: the handshake was refused. */
async function answerTo(kind: 'good' | 'revoked', port: number): Promise<number> {
  const who = ['--cert', file(`${kind}.pem`), '--key', file(`${kind}.key`)];
  const where = ['--connect-to', `${names.good}:443:127.0.0.1:${port}`, `https://${names.good}/`];
  return Number(
    (await run('curl', ['-s', '-o', file('answer'), '-w', '%{http_code}', '--cacert', file('root.pem'), ...who, ...where])).output,
  );
}

async function startNginx(): Promise<{
  readonly staples: number;
  readonly revoked: number;
  readonly byCrl: number;
  readonly byOcsp: number;
}> {
  const ports = { staples: await freePort(), revoked: await freePort(), byCrl: await freePort(), byOcsp: await freePort() };
  const site = (port: number, kind: 'good' | 'revoked', more: string): string =>
    `server { listen 127.0.0.1:${port} ssl; ssl_certificate ${file(`${kind}.pem`)}; ssl_certificate_key ${file(`${kind}.key`)}; ${more} return 200 served; }`;
  const clients = `ssl_verify_client on; ssl_verify_depth 3; ssl_client_certificate ${file('trusted.pem')};`;
  // By its address: to look up the name in the certificates, nginx would want a name server.
  const responder = `http://127.0.0.1:${new URL(platform.pkiUrl).port}/.well-known/pki/ocsp/${authorities.issuing.id}`;
  const staple = `ssl_stapling on; ssl_stapling_verify on; ssl_trusted_certificate ${file('trusted.pem')};`;
  writeFileSync(
    file('nginx.conf'),
    `daemon off; pid ${file('nginx.pid')}; error_log ${file('nginx.log')};
events {}
http { access_log off; ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${file(kind)};`).join(' ')}
${site(ports.staples, 'good', staple)}
${site(ports.revoked, 'revoked', staple)}
${site(ports.byCrl, 'good', `${clients} ssl_crl ${file('lists.pem')};`)}
${site(ports.byOcsp, 'good', `${clients} ssl_ocsp leaf; ssl_ocsp_responder ${responder};`)}
}`,
  );
  await start('nginx', ['-c', file('nginx.conf'), '-e', file('nginx.log'), '-p', folder], Object.values(ports));
  return ports;
}

test.skipIf(!has('nginx'))(
  'nginx staples what is good, not what is revoked, and turns a revoked client away by CRL and by OCSP',
  async () => {
    const ports = await startNginx();
    await until('it staples', async () => (await stapled(ports.staples, 'good')) === 'good' || undefined);
    await until('it has asked', async () => {
      expect(await stapled(ports.revoked, 'revoked')).toBe(undefined);
      return readFileSync(file('nginx.log'), 'utf8').includes('certificate status "revoked" in the OCSP response') || undefined;
    });
    for (const port of [ports.byCrl, ports.byOcsp])
      expect([await answerTo('good', port), await answerTo('revoked', port)]).toEqual([200, 400]);
  },
);

test.skipIf(!has('haproxy'))('HAProxy staples the response that it is handed, and turns a revoked client away by CRL', async () => {
  const [plain, asking] = [await freePort(), await freePort()];
  mkdirSync(file('haproxy'));
  const own = join(folder, 'haproxy', 'site.pem');
  writeFileSync(own, readFileSync(file('good-all.pem')));
  // Empty: there will be one.
  writeFileSync(`${own}.ocsp`, '');
  const clients = `ca-file ${file('trusted.pem')} crl-file ${file('lists.pem')} verify required`;
  const site = (port: number, more = ''): string =>
    `frontend f${port}\n  bind 127.0.0.1:${port} ssl crt ${own} ${more}\n  http-request return status 200\n`;
  writeFileSync(
    file('haproxy.cfg'),
    `global\n  stats socket ${file('haproxy.sock')} level admin\ndefaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 5s\n${site(plain)}${site(asking, clients)}`,
  );
  await start('haproxy', ['-db', '-f', file('haproxy.cfg')], [plain, asking]);
  expect(await stapled(plain, 'good')).toBe(undefined);
  const url = `${platform.pkiUrl}/.well-known/pki/ocsp/${authorities.issuing.id}`;
  const issuer = ['-issuer', file('trusted.pem'), '-CAfile', file('root.pem')];
  await succeed('openssl', ['ocsp', ...issuer, '-cert', file('good.pem'), '-no_nonce', '-url', url, '-respout', file('response')]);
  const socket = net.connect(file('haproxy.sock'));
  socket.write(`set ssl ocsp-response ${readFileSync(file('response'), 'base64')}\n`);
  expect(await text(socket)).toContain('OCSP Response updated!');
  expect(await stapled(plain, 'good')).toBe('good');
  expect([await answerTo('good', asking), await answerTo('revoked', asking)]).toEqual([200, 0]);
});

test.skipIf(!has('nginx') || !has('stunnel4'))(
  'stunnel asks whom the certificate names, and passes nothing to a server whose certificate is revoked',
  async () => {
    const nginx = await startNginx();
    const ports = { good: await freePort(), revoked: await freePort() };
    const service = (kind: 'good' | 'revoked', to: number): string =>
      `[${kind}]\nclient = yes\naccept = 127.0.0.1:${ports[kind]}\nconnect = 127.0.0.1:${to}\nCAfile = ${file('root.pem')}\nverifyChain = yes\ncheckHost = ${names[kind]}\nOCSPaia = yes\n`;
    writeFileSync(
      file('stunnel.conf'),
      `foreground = yes\npid =\noutput = ${file('stunnel.log')}\n${service('good', nginx.staples)}${service('revoked', nginx.revoked)}`,
    );
    await start('stunnel4', [file('stunnel.conf')], Object.values(ports));
    expect(await (await fetch(`http://127.0.0.1:${ports.good}/`)).text()).toBe('served');
    await expect(fetch(`http://127.0.0.1:${ports.revoked}/`)).rejects.toThrow();
    expect(readFileSync(file('stunnel.log'), 'utf8')).toContain('Certificate revoked: 4: superseded');
  },
);

test.skipIf(!has('apache2'))('Apache staples the status, and turns a revoked client away by CRL and by OCSP', async () => {
  const ports = { good: await freePort(), revoked: await freePort(), byCrl: await freePort(), byOcsp: await freePort() };
  const site = (port: number, kind: 'good' | 'revoked', more: string): string =>
    `Listen 127.0.0.1:${port}\n<VirtualHost 127.0.0.1:${port}>\nServerName ${names[kind]}\nSSLEngine on\nSSLCertificateFile ${file(`${kind}.pem`)}\nSSLCertificateKeyFile ${file(`${kind}.key`)}\n${more}\n</VirtualHost>`;
  // The responder's own certificate is the issuing CA's: of the root alone Apache finds no way to it.
  const clients = `SSLVerifyClient require\nSSLVerifyDepth 3\nSSLCACertificateFile ${file('trusted.pem')}\n<Location />\nRequire all denied\n</Location>`;
  const modules = ['ssl', 'socache_shmcb', 'mpm_event', 'authz_core'];
  writeFileSync(
    file('apache.conf'),
    `${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
ServerName localhost
ServerRoot ${folder}
DefaultRuntimeDir ${folder}
PidFile ${file('apache.pid')}
ErrorLog ${file('apache.log')}
DocumentRoot ${folder}
User www-data
Group www-data
SSLSessionCache none
SSLStaplingCache shmcb:${file('stapling')}(32768)
${site(ports.good, 'good', 'SSLUseStapling on')}
${site(ports.revoked, 'revoked', 'SSLUseStapling on')}
${site(ports.byCrl, 'good', `${clients}\nSSLCARevocationFile ${file('lists.pem')}\nSSLCARevocationCheck chain`)}
${site(ports.byOcsp, 'good', `${clients}\nSSLOCSPEnable on\nSSLOCSPUseRequestNonce on`)}
`,
  );
  await start('apache2', ['-f', file('apache.conf'), '-DFOREGROUND'], Object.values(ports));
  expect([await stapled(ports.good, 'good'), await stapled(ports.revoked, 'revoked')]).toEqual(['good', 'revoked']);
  // Whoever may ask is told that there is nothing for anybody.
  for (const port of [ports.byCrl, ports.byOcsp]) expect([await answerTo('good', port), await answerTo('revoked', port)]).toEqual([403, 0]);
});

test.skipIf(!has('openvpn'))('OpenVPN lets a good peer in and keeps a revoked one out by CRL', async () => {
  const outcomes = { good: 'Peer Connection Initiated', revoked: 'error=certificate revoked' };
  const common = ['--dev', 'null', '--ca', file('root.pem'), '--crl-verify', file('lists.pem'), '--cipher', 'AES-256-GCM', '--verb', '3'];
  for (const kind of kinds) {
    const port = String(await freePort());
    const log = file(`openvpn-${kind}.log`);
    const openvpn = (identity: 'good' | 'revoked', ...more: string[]): void => {
      const own = ['--cert', file(`${identity}.pem`), '--key', file(`${identity}.key`)];
      children.push(launch('openvpn', [...common, ...own, ...more]));
    };
    const serverSays = (what: string): Promise<true> =>
      until(`the server says ${what}`, () => (existsSync(log) && readFileSync(log, 'utf8').includes(what)) || undefined);
    openvpn('good', '--tls-server', '--dh', 'none', '--proto', 'tcp-server', '--local', '127.0.0.1', '--lport', port, '--log', log);
    await serverSays('Listening for incoming TCP connection');
    openvpn(kind, '--tls-client', '--nobind', '--proto', 'tcp-client', '--remote', '127.0.0.1', port);
    await serverSays(outcomes[kind]);
  }
});
