import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toPem } from '#domain/x509/pem.ts';
import { discover, type DiscoverPorts } from '../../clients/agent/discover.ts';
import { connectPlatform, type PlatformConnection } from '../../clients/agent/platform.ts';
import { ApiProblem } from '../../clients/http/problem.ts';
import { alternativeNames, dns, make } from '../pki/made-certificate.ts';
import { madeJks } from '../pki/made-jks.ts';
import { api, rowsOf, startPlatform, type Answer, type Platform } from '../platform.ts';
import { certified, makeTarget, order } from './agent-jobs.ts';
import { enrolledAgent, type SignedAgent } from './signed-agent.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const made = (name: string): Buffer => make({ subject: name, extensions: [alternativeNames(dns(name))] }).der;
const fingerprintOf = (der: Buffer): string => createHash('sha256').update(der).digest('hex');
const newScan = (): string => `scan-${randomUUID().replaceAll('-', '')}`;
const at = (der: Buffer, ...paths: string[]): object => ({
  certificate: der.toString('base64'),
  places: paths.map((path) => ({ path, format: 'pem', key_present: false })),
});
const tell = (agent: SignedAgent, certificates: object[], more: object = {}): Promise<Answer> =>
  agent.send('POST', 'discoveries', {
    scan: newScan(),
    part: 0,
    last: true,
    complete: true,
    directories: ['/etc/ssl'],
    certificates,
    errors: [],
    duration_ms: 5,
    ...more,
  });
type Shown = Record<string, unknown> & {
  id: string;
  sightings: { path: string; agent: string; missing_since: string | null; key_present: boolean }[];
};
const listed = async (query: string): Promise<Shown[]> =>
  (await api(platform, 'GET', `/api/v1/discovered-certificates?${query}`)).json()['items'] as Shown[];
const found = async (agent: SignedAgent, der: Buffer): Promise<Shown> => {
  const [one] = (await listed(`agent=${agent.id}&limit=500`)).filter(({ fingerprint }) => fingerprint === fingerprintOf(der));
  return (await api(platform, 'GET', `/api/v1/discovered-certificates/${one?.id ?? 'dc-none'}`)).json() as Shown;
};
const decide = (id: string, what: string, body: object = {}): Promise<Answer> =>
  api(platform, 'POST', `/api/v1/discovered-certificates/${id}/${what}`, body);

test('given a scan that could read nothing, its agent is degraded until one can', async () => {
  const agent = await enrolledAgent(platform, 'cannot-read');
  const seen = async () => (await api(platform, 'GET', `/api/v1/agents/${agent.id}`)).json();
  await tell(agent, [], { complete: false, errors: ['/etc/ssl: EACCES'] });
  expect(await seen()).toMatchObject({ status: 'degraded', status_reason: 'discovery_failed' });
  await tell(agent, [at(made('readable.example.com'), '/etc/ssl/a.pem')], { complete: false, errors: ['/etc/ssl/private: EACCES'] });
  expect(await seen()).toMatchObject({ status: 'online', status_reason: null });
});

test('given a certificate that two hosts have in several places, it is one, with all of them, and its facts are read from its bytes', async () => {
  const [one, two] = [await enrolledAgent(platform, 'found-1'), await enrolledAgent(platform, 'found-2')];
  const der = made('shared.example.com');
  const answers = await Promise.all([
    tell(one, [at(der, '/etc/ssl/a.pem'), at(der, '/etc/ssl/b.pem')]),
    tell(two, [at(der, '/srv/c.pem')]),
  ]);
  expect(answers.map((answer) => [answer.status, answer.json()])).toEqual([
    [202, { taken: 1, refused: 0 }],
    [202, { taken: 1, refused: 0 }],
  ]);
  const shown = await found(one, der);
  expect(shown).toMatchObject({
    status: 'unmanaged',
    fingerprint: fingerprintOf(der),
    subject: 'CN=shared.example.com',
    common_name: 'shared.example.com',
    sans: [{ type: 'dns', value: 'shared.example.com' }],
    key_algorithm: 'ECDSA',
    key_size: 256,
    self_issued: true,
    places: 3,
    pem: toPem('CERTIFICATE', der),
  });
  expect(shown.sightings.map(({ agent, path }) => `${agent} ${path}`).sort()).toEqual(
    [`${one.id} /etc/ssl/a.pem`, `${one.id} /etc/ssl/b.pem`, `${two.id} /srv/c.pem`].sort(),
  );
});

test('given a scan in parts, each is taken once and in order; with the last, what was not seen again is missing until it is', async () => {
  const agent = await enrolledAgent(platform, 'parts');
  const [stays, goes, comes] = [made('stays.example.com'), made('goes.example.com'), made('comes.example.com')];
  await tell(agent, [at(stays, '/etc/ssl/stays.pem'), at(goes, '/etc/ssl/goes.pem')]);
  const scan = newScan();
  expect((await tell(agent, [at(comes, '/etc/ssl/comes.pem')], { scan, part: 1 })).status).toBe(409);
  const first = { scan, part: 0, last: false };
  for (let n = 0; n < 2; n++) expect((await tell(agent, [at(stays, '/etc/ssl/stays.pem')], first)).status).toBe(202);
  expect((await found(agent, goes)).sightings[0]!.missing_since).toBeNull();
  const rest = { scan, part: 1, errors: ['/etc/ssl/private: EACCES'] };
  const both = await Promise.all([1, 2].map(() => tell(agent, [at(comes, '/etc/ssl/comes.pem')], rest)));
  expect(both.map(({ status }) => status)).toEqual([202, 202]);
  const scans = (await api(platform, 'GET', `/api/v1/discovery-scans?agent=${agent.id}`)).json()['items'] as object[];
  expect(scans[0]).toMatchObject({ id: scan, certificates_found: 2, certificates_new: 1, errors: ['/etc/ssl/private: EACCES'] });
  expect(await found(agent, goes)).toMatchObject({ places: 0, sightings: [{ missing_since: expect.any(String) as string }] });
  expect(await found(agent, stays)).toMatchObject({ places: 1 });
  await tell(agent, [at(goes, '/etc/ssl/goes.pem')], { complete: false });
  expect([(await found(agent, goes))['places'], (await found(agent, stays))['places']]).toEqual([1, 1]);
  const audited = await rowsOf(
    platform,
    `SELECT details -> 'found' AS found, details -> 'new' AS new, details -> 'missing' AS missing FROM audit_events
     WHERE action = 'discovery_scan_completed' AND resource_id = $1 ORDER BY id`,
    [agent.id],
  );
  expect(audited).toEqual([
    { found: 2, new: 2, missing: 0 },
    { found: 2, new: 1, missing: 1 },
    { found: 1, new: 0, missing: 0 },
  ]);
});

test('given a certificate that was missing for 90 days, it is forgotten, unless somebody said something of it', async () => {
  const agent = await enrolledAgent(platform, 'forgetful');
  const [gone, kept] = [made('gone.example.com'), made('kept.example.com')];
  await tell(agent, [at(gone, '/etc/ssl/gone.pem'), at(kept, '/etc/ssl/kept.pem')]);
  const [one, two] = [await found(agent, gone), await found(agent, kept)];
  await decide(two.id, 'dismiss', { reason: 'old' });
  await tell(agent, []);
  await rowsOf(platform, `UPDATE discovered_sightings SET missing_since = now() - interval '91 days' WHERE agent_id = $1`, [agent.id]);
  await tell(agent, []);
  expect((await api(platform, 'GET', `/api/v1/discovered-certificates/${one.id}`)).status).toBe(404);
  expect((await api(platform, 'GET', `/api/v1/discovered-certificates/${two.id}`)).json()).toMatchObject({
    status: 'dismissed',
    places: 0,
  });
});

test('given another agent’s scan, a private key in the place of a certificate, or more than may be, nothing is taken', async () => {
  const [agent, other] = [await enrolledAgent(platform, 'bounded'), await enrolledAgent(platform, 'intruder')];
  const scan = newScan();
  await tell(agent, [], { scan, last: false });
  expect((await tell(other, [], { scan, part: 1 })).status).toBe(409);
  expect((await agent.send('POST', 'discoveries', {}, { as: other.id })).status).toBe(403);
  const { key } = make({});
  const answer = await tell(agent, [at(key.export({ format: 'der', type: 'pkcs8' }), '/etc/ssl/key.pem')]);
  expect(answer.json()).toEqual({ taken: 0, refused: 1 });
  const [last] = (await api(platform, 'GET', `/api/v1/discovery-scans?agent=${agent.id}`)).json()['items'] as { errors: string[] }[];
  expect(last!.errors).toEqual(['/etc/ssl/key.pem: no certificate that can be read']);
  const der = made('many.example.com');
  const tooMany = [
    Array.from({ length: 201 }, () => at(der, '/etc/ssl/a.pem')),
    [at(der, ...Array.from({ length: 51 }, (_, n) => `/etc/ssl/${n}.pem`))],
    [at(der, 'relative.pem')],
    [at(der, '/etc/\0')],
  ];
  for (const certificates of tooMany) expect((await tell(agent, certificates)).status).toBe(400);
  await rowsOf(platform, `UPDATE discovery_scans SET certificates_found = 5000 WHERE id = $1`, [scan]);
  expect((await tell(agent, [at(der, '/etc/ssl/a.pem')], { scan, part: 1 })).status).toBe(409);
});

test('given a version of a managed certificate, it is known by its fingerprint', async () => {
  const agent = await enrolledAgent(platform, 'known');
  const { id } = await order(platform, 'known', [await makeTarget(platform, agent, 'known')]);
  await certified(agent, 'known');
  const [version] = await rowsOf<{ certificate: Buffer }>(platform, 'SELECT certificate FROM certificates WHERE managed_id = $1', [id]);
  await tell(agent, [at(version!.certificate, '/etc/known.crt')]);
  expect(await found(agent, version!.certificate)).toMatchObject({ status: 'managed', certificate: id, decided_by: null });
});

test('given what was found, people claim, dismiss and reopen it; of two who decide at once one does', async () => {
  const agent = await enrolledAgent(platform, 'decided');
  const [mine, strange, idle] = [made('mine.example.com'), made('strange.example.com'), made('idle.example.com')];
  const { id: certificate } = await order(platform, 'mine', [await makeTarget(platform, agent, 'mine')]);
  await tell(
    agent,
    [mine, strange, idle].map((der) => at(der, `/etc/ssl/${fingerprintOf(der)}.pem`)),
  );
  const [one, two, three] = await Promise.all([mine, strange, idle].map((der) => found(agent, der)));
  const claims = await Promise.all([1, 2, 3].map(() => decide(one!.id, 'claim', { certificate })));
  expect(claims.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
  expect(await found(agent, mine)).toMatchObject({ status: 'managed', certificate, decided_by: expect.any(String) as string });
  expect(await decide(two!.id, 'claim', { certificate })).toMatchObject({
    status: 409,
    text: expect.stringContaining('no name in common') as string,
  });
  expect((await decide(two!.id, 'claim', { certificate, force: true })).status).toBe(200);
  expect((await decide(two!.id, 'reopen')).json()).toMatchObject({ status: 'unmanaged', certificate: null });
  expect((await decide(three!.id, 'claim', { certificate: 'mc-none' })).status).toBe(400);
  expect((await decide(three!.id, 'dismiss', {})).status).toBe(400);
  expect((await decide(three!.id, 'dismiss', { reason: 'a test of 2019' })).json()).toMatchObject({
    status: 'dismissed',
    reason: 'a test of 2019',
  });
  expect((await decide(three!.id, 'claim', { certificate, force: true })).status).toBe(409);
  expect((await decide('dc-none', 'dismiss', { reason: 'x' })).status).toBe(404);
  expect((await listed(`agent=${agent.id}&status=dismissed`)).map(({ id }) => id)).toEqual([three!.id]);
  expect((await listed(`certificate=${certificate}`)).map(({ id }) => id)).toEqual([one!.id]);
  expect((await listed(`agent=${agent.id}&sort=not_after&limit=1&expires_before=2020-01-01T00:00:00Z`)).length).toBe(0);
  const { unmanaged, managed, dismissed } = (await api(platform, 'GET', '/api/v1/discovery-summary')).json() as Record<string, number>;
  expect([unmanaged! >= 1, managed! >= 1, dismissed! >= 1]).toEqual([true, true, true]);
  // Seen again, it stays what people said.
  await tell(agent, [at(idle, '/etc/ssl/again.pem')]);
  expect(await found(agent, idle)).toMatchObject({ status: 'dismissed' });
});

/** A host's folder, and an agent that searches it. */
async function searchingAgent(name: string): Promise<{
  readonly agent: SignedAgent;
  readonly folder: string;
  readonly search: (more?: Partial<DiscoverPorts>) => Promise<number>;
  readonly scans: () => Promise<Record<string, unknown>[]>;
  readonly connection: PlatformConnection;
  readonly end: () => void;
}> {
  const agent = await enrolledAgent(platform, name);
  const home = mkdtempSync(join(tmpdir(), 'certctl-discover-'));
  const [stateDir, folder] = [join(home, 'state'), join(home, 'ssl')];
  mkdirSync(stateDir);
  mkdirSync(folder);
  const connection = connectPlatform({ server: platform.url, ca: platform.ca, keyId: agent.id, key: agent.privateKey });
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
  const { signal } = new AbortController();
  const ports = { agentId: agent.id, platform: connection, stateDir, folders: [folder], leftOut: [], passwords: [], log, signal };
  return {
    agent,
    folder,
    search: (more = {}) => discover({ ...ports, secret: () => Promise.resolve(undefined), ...more }),
    scans: async () =>
      (await api(platform, 'GET', `/api/v1/discovery-scans?agent=${agent.id}`)).json()['items'] as Record<string, unknown>[],
    connection,
    end: () => {
      connection.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** A keystore of openssl's with a key. */
function exported(folder: string, name: string, password: string): { readonly der: Buffer; readonly key: Buffer } {
  const { der, key } = make({ subject: `${name}.example.com` });
  const [certFile, keyFile] = [join(folder, 'cert.tmp'), join(folder, 'key.tmp')];
  writeFileSync(certFile, toPem('CERTIFICATE', der));
  writeFileSync(keyFile, key.export({ format: 'pem', type: 'pkcs8' }));
  const files = ['-in', certFile, '-inkey', keyFile, '-out', join(folder, name)];
  execFileSync('openssl', ['pkcs12', '-export', ...files, '-passout', `pass:${password}`], { stdio: 'pipe' });
  for (const file of [certFile, keyFile]) rmSync(file);
  return { der, key: key.export({ format: 'der', type: 'pkcs8' }) };
}

test('given an agent that searches its host, the certificates come without their keys, and without news it is silent', async () => {
  const { agent, folder, search, scans, end } = await searchingAgent('searching');
  try {
    const { der, key } = make({ subject: 'searched.example.com' });
    const keyPem = key.export({ format: 'pem', type: 'pkcs8' }).toString();
    writeFileSync(join(folder, 'site.pem'), keyPem + toPem('CERTIFICATE', der));
    // More than one part.
    for (let n = 0; n < 210; n++) writeFileSync(join(folder, `${n}.der`), make({}).der);
    expect(await search()).toBeLessThanOrEqual(6 * 3600);
    await search();
    expect(await scans()).toMatchObject([
      { certificates_found: 211, certificates_new: 211, errors: [], completed_at: expect.any(String) as string },
    ]);
    expect((await found(agent, der)).sightings).toMatchObject([{ path: join(folder, 'site.pem'), key_present: true }]);
    const kept = JSON.stringify(
      await rowsOf(
        platform,
        `SELECT encode(certificate, 'base64') AS c, d.*, s.* FROM discovered_certificates d JOIN discovered_sightings s ON s.discovered_id = d.id`,
      ),
    );
    expect(kept + platform.output()).not.toContain(keyPem.split('\n')[1]);
    rmSync(join(folder, 'site.pem'));
    await search();
    expect(await scans()).toHaveLength(2);
    expect(await found(agent, der)).toMatchObject({ places: 0 });
  } finally {
    end();
  }
});

test('given keystores on a host, their certificates come with format and key_present, and neither a key nor a password leaves it', async () => {
  const { agent, folder, search, scans, connection, end } = await searchingAgent('keystores');
  try {
    const opened = exported(folder, 'server.p12', 'a secret of this host');
    const locked = exported(folder, 'locked.pfx', 'that nobody knows');
    const trusted = made('trusted.example.com');
    writeFileSync(join(folder, 'cacerts'), madeJks([{ certificates: [trusted] }]));
    const sent: string[] = [];
    const watched: PlatformConnection = {
      ...connection,
      call: (route, given) => {
        sent.push(JSON.stringify(given));
        return connection.call(route, given);
      },
    };
    await search({
      platform: watched,
      passwords: ['absent', 'tomcat'],
      secret: (name) => Promise.resolve(name === 'tomcat' ? 'a secret of this host' : undefined),
    });
    expect(await scans()).toMatchObject([
      {
        certificates_found: 2,
        errors: [
          'discovery_passwords: this host has no secret absent that can be read; it was not tried',
          expect.stringMatching(/locked\.pfx: none of the passwords opens it: name the secret .* in discovery_passwords/) as string,
        ],
      },
    ]);
    const shown = [await found(agent, opened.der), await found(agent, trusted)];
    expect(shown.map(({ sightings }) => sightings)).toMatchObject([
      [{ path: join(folder, 'server.p12'), format: 'pkcs12', key_present: true }],
      [{ path: join(folder, 'cacerts'), format: 'jks', key_present: false }],
    ]);
    expect(sent).toHaveLength(1);
    const body = JSON.parse(sent[0]!) as { body: { certificates: { certificate: string }[] } };
    const octets = Buffer.concat(body.body.certificates.map(({ certificate }) => Buffer.from(certificate, 'base64')));
    for (const { key } of [opened, locked]) expect(octets.includes(key.subarray(40, 60))).toBe(false);
    for (const file of ['server.p12', 'locked.pfx']) {
      const shrouded = readFileSync(join(folder, file)).subarray(100, 140);
      expect([octets.includes(shrouded), sent[0]!.includes(shrouded.toString('base64').slice(4, -4))]).toEqual([false, false]);
    }
    expect(sent[0]).not.toContain('a secret of this host');
    expect(sent[0]).not.toContain('changeit');
    // Where one was not opened, nothing counts as missing.
    rmSync(join(folder, 'server.p12'));
    await search();
    expect(await found(agent, opened.der)).toMatchObject({ places: 1 });
    rmSync(join(folder, 'locked.pfx'));
    await search();
    expect(await found(agent, opened.der)).toMatchObject({ places: 0 });
  } finally {
    end();
  }
});

test('given a platform that knows no keystores yet, it hears of the rest, and that there is more', async () => {
  const { agent, folder, search, scans, connection, end } = await searchingAgent('newer');
  try {
    const [plain, both, hidden] = [made('plain.example.com'), made('both.example.com'), made('hidden.example.com')];
    writeFileSync(join(folder, 'plain.pem'), toPem('CERTIFICATE', plain));
    writeFileSync(join(folder, 'both.pem'), toPem('CERTIFICATE', both));
    writeFileSync(join(folder, 'store.jks'), madeJks([{ certificates: [both] }, { certificates: [hidden] }]));
    const older: PlatformConnection = {
      ...connection,
      call: (route, given) =>
        JSON.stringify(given).includes('"format":"jks"')
          ? Promise.reject(new ApiProblem(400, 'malformed', 'certificates.0.places.0.format: Invalid option'))
          : connection.call(route, given),
    };
    await search({ platform: older });
    expect(await scans()).toMatchObject([
      {
        certificates_found: 2,
        errors: ['certificates in keystores: the platform does not take them'],
        completed_at: expect.any(String) as string,
      },
    ]);
    expect((await found(agent, both)).sightings).toMatchObject([{ path: join(folder, 'both.pem'), format: 'pem' }]);
    // It says so no more than once.
    await search({ platform: older });
    expect(await scans()).toHaveLength(1);
  } finally {
    end();
  }
});
