import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import acme from 'acme-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startResponder, type Responder } from '../acme/client.ts';
import { api, startPlatform, type Platform } from '../platform.ts';
import { judge } from './certificate.ts';
import { startChaos, startPlatformInChaos, type ProxiedChaos } from './chaos.ts';
import { freePort } from '#infra/local/free-port.ts';
import { has, succeed } from './tool.ts';

let platform: Platform;
let other: Platform;
let chaos: ProxiedChaos;
let otherChaos: ProxiedChaos;
let responder: Responder;
let folder: string;
let port: number;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'chaos-'));
  responder = await startResponder();
  port = await freePort();
  [platform, other] = await Promise.all([
    startPlatform({ args: ['--door-http01-port', String(responder.port)] }),
    startPlatform({ args: ['--door-http01-port', String(port)] }),
  ]);
  [chaos, otherChaos] = await Promise.all([startChaos(platform), startChaos(other)]);
  const reusing = { id: 'reusing', name: 'Reusing', authorization_reuse_seconds: 3600 };
  expect((await api(platform, 'POST', '/api/v1/profiles', reusing)).status).toBe(201);
});
afterAll(async () => {
  acme.axios.defaults.httpsAgent = https.globalAgent;
  await Promise.all([chaos.stop(), otherChaos.stop()]);
  await Promise.all([platform.stop(), other.stop()]);
  await responder.stop();
  rmSync(folder, { recursive: true, force: true });
});

test.each([
  ['asked for each order', 'default'],
  ['reused', 'reusing'],
])(
  'given refused nonces, lists turned round and members unheard of, acme-client gets two certificates where proofs are %s',
  async (_, profile) => {
    acme.axios.defaults.httpsAgent = chaos.agent;
    const before = [chaos.refusedNonces(), chaos.turnedLists()] as const;
    const client = new acme.Client({
      directoryUrl: `${platform.url}/acme/profile/${profile}/directory`,
      accountKey: await acme.crypto.createPrivateEcdsaKey('P-256'),
    });
    const names = ['one', 'two'].map((label) => `${label}.${profile}.localhost`);
    const chains: string[] = [];
    for (let orders = 0; orders < 2; orders++) {
      const [, csr] = await acme.crypto.createCsr({ commonName: names[0]!, altNames: names });
      chains.push(
        await client.auto({
          csr,
          email: 'ops@example.com',
          termsOfServiceAgreed: true,
          skipChallengeVerification: true,
          challengePriority: ['http-01'],
          challengeCreateFn: (_authorization, challenge, answer) => Promise.resolve(void responder.answers.set(challenge.token, answer)),
          challengeRemoveFn: (_authorization, challenge) => Promise.resolve(void responder.answers.delete(challenge.token)),
        }),
      );
    }
    const found = chains.map((chain) => [...acme.crypto.readCertificateInfo(chain).domains.altNames].sort());
    expect(found).toEqual([names, names]);
    expect(chaos.refusedNonces()).toBeGreaterThan(before[0]);
    expect(chaos.turnedLists()).toBeGreaterThan(before[1]);
  },
);

test.skipIf(!has('certbot'))('given the same, certbot gets, renews and revokes a certificate', async () => {
  const certbot = (...args: string[]): Promise<string> =>
    succeed(
      'certbot',
      [...args, '--config-dir', folder, '--work-dir', join(folder, 'work'), '--logs-dir', join(folder, 'log'), '--non-interactive'],
      {
        REQUESTS_CA_BUNDLE: join(other.home, 'ca.pem'),
        HTTPS_PROXY: otherChaos.proxy,
        https_proxy: otherChaos.proxy,
        NO_PROXY: '',
        no_proxy: '',
      },
    );
  const server = ['--server', `${other.url}/acme/profile/default/directory`];
  const names = ['-d', 'chaos.localhost', '-d', 'more.chaos.localhost'];
  const how = ['--standalone', '--http-01-port', String(port), '--agree-tos', '--register-unsafely-without-email'];
  await certbot('certonly', ...how, ...names, ...server);
  const { verify } = judge(other);
  const [leaf, chain] = ['cert.pem', 'chain.pem'].map((file) => join(folder, 'live', 'chaos.localhost', file)) as [string, string];
  await verify(chain, leaf);
  const first = readFileSync(leaf, 'utf8');
  await certbot('renew', '--force-renewal', '--no-random-sleep-on-renew');
  expect(readFileSync(leaf, 'utf8')).not.toBe(first);
  await certbot('revoke', '--cert-path', leaf, ...server, '--reason', 'superseded', '--no-delete-after-revoke');
  expect(otherChaos.refusedNonces()).toBeGreaterThan(2);
  expect(otherChaos.turnedLists()).toBeGreaterThan(0);
});

test.skipIf(!has('lego'))('given the same, lego gets, renews and revokes a certificate', async () => {
  const legoPort = await freePort();
  const between = await startPlatformInChaos(['--door-http01-port', String(legoPort)]);
  try {
    const base = [
      '--accept-tos',
      '--email',
      'ops@example.com',
      '--path',
      join(folder, 'lego'),
      '--domains',
      'chaos.localhost',
      '--domains',
      'more.chaos.localhost',
    ];
    const server = ['--server', `${between.platform.url}/acme/profile/default/directory`, '--http', '--http.port', `127.0.0.1:${legoPort}`];
    const lego = (...command: string[]): Promise<string> =>
      succeed('lego', [...base, ...server, ...command], { LEGO_CA_CERTIFICATES: join(between.platform.home, 'ca.pem') });
    const { verify, status } = judge(between.platform);
    const certificates = join(folder, 'lego', 'certificates');
    const [leaf, chain] = ['chaos.localhost.crt', 'chaos.localhost.issuer.crt'].map((file) => join(certificates, file)) as [string, string];
    await lego('run');
    await verify(chain, leaf);
    const first = readFileSync(leaf, 'utf8');
    const refused = between.chaos.refusedNonces();
    expect(refused).toBeGreaterThan(0);
    await lego('renew', '--days', '999', '--no-random-sleep');
    expect(readFileSync(leaf, 'utf8')).not.toBe(first);
    await lego('revoke', '--keep');
    expect(await status(chain, leaf)).toBe('revoked');
    expect(between.chaos.refusedNonces()).toBeGreaterThan(refused);
    expect(between.chaos.turnedLists()).toBeGreaterThan(0);
  } finally {
    await between.chaos.stop();
    await between.platform.stop();
  }
});
