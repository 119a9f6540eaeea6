import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeCsr as makeAgentCsr } from '#domain/agent/make-csr.ts';
import { toPem } from '#domain/x509/pem.ts';
import { alternativeNames, dns, make } from '../pki/made-certificate.ts';
import { api, rowsOf, startPlatform, type Answer, type Platform } from '../platform.ts';
import { makeTarget, report, served, workSoon } from './agent-jobs.ts';
import { makeCsr } from './csr.ts';
import { enrolledAgent, type SignedAgent } from './signed-agent.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

type Shown = Record<string, unknown> & { id: string };

/** A certificate of somebody else's, as a host's agent tells of it. */
async function foundBy(agent: SignedAgent, der: Buffer): Promise<string> {
  const answer = await agent.send('POST', 'discoveries', {
    ...{ scan: `scan-${randomUUID().replaceAll('-', '')}`, part: 0, last: true, complete: false },
    ...{ directories: ['/etc/ssl'], errors: [], duration_ms: 5 },
    certificates: [
      { certificate: der.toString('base64'), places: [{ path: `/etc/ssl/${randomUUID()}.pem`, format: 'pem', key_present: true }] },
    ],
  });
  expect(answer.status).toBe(202);
  const { items } = (await api(platform, 'GET', `/api/v1/discovered-certificates?agent=${agent.id}&limit=500`)).json() as {
    items: (Shown & { fingerprint: string })[];
  };
  return items.find(({ fingerprint }) => fingerprint === createHash('sha256').update(der).digest('hex'))!.id;
}
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const foreign = (...names: string[]): Buffer =>
  make({ subject: names[0]!, key: rsa, extensions: [alternativeNames(...names.map(dns))] }).der;
const ordered = (body: object, headers: Record<string, string> = {}): Promise<Answer> =>
  api(platform, 'POST', '/api/v1/certificates', body, headers);
const claimed = async (id: string): Promise<Record<string, unknown>> =>
  (await api(platform, 'GET', `/api/v1/discovered-certificates/${id}`)).json();
const named = async (name: string): Promise<Shown[]> =>
  (await api(platform, 'GET', `/api/v1/certificates?name=${name}`)).json()['items'] as Shown[];

test('one request makes a certificate with the names and the kind of key of the one that was found, claims that, and has it deployed', async () => {
  const agent = await enrolledAgent(platform, 'took-over');
  const discovered = await foundBy(agent, foreign('over.example.com', 'www.over.example.com'));
  const target = await makeTarget(platform, agent, 'over');
  const answer = await ordered({ name: 'over', targets: [target], discovered });
  expect([answer.status, answer.json()]).toMatchObject([
    202,
    {
      certificate: {
        key_algorithm: 'RSA-2048',
        common_name: 'over.example.com',
        sans: ['over.example.com', 'www.over.example.com'].map((value) => ({ type: 'dns', value })),
        targets: [target],
      },
    },
  ]);
  const { id } = answer.json()['certificate'] as Shown;
  expect(await claimed(discovered)).toMatchObject({ status: 'managed', certificate: id, decided_by: expect.any(String) as string });
  const audited = await rowsOf<{ action: string }>(
    platform,
    `SELECT action FROM audit_events WHERE resource_id = $1 OR (resource_id = $2 AND details ->> 'certificate' = $1) ORDER BY id`,
    [id, discovered],
  );
  expect(audited.map(({ action }) => action)).toEqual(['createCertificate', 'claimDiscoveredCertificate']);
  const [job] = await workSoon(agent);
  expect(job).toMatchObject({ type: 'csr', certificate_id: id, key_algorithm: 'RSA-2048' });
  const names = ['over.example.com', 'www.over.example.com'].map((value) => ({ type: 'dns' as const, value }));
  const csr = toPem('CERTIFICATE REQUEST', makeAgentCsr(rsa.privateKey, { commonName: 'over.example.com', names, mustStaple: false }));
  expect((await agent.send('POST', `jobs/${job!.job_id}/csr`, { lease_token: job!.lease_token, csr })).status).toBe(202);
  const [deployment] = await workSoon(agent);
  await report(agent, deployment!, { observed_fingerprint: await served(agent, deployment!) });
  expect((await api(platform, 'GET', `/api/v1/certificates/${id}`)).json()).toMatchObject({ state: 'active', deployment: 'verified' });
});

test('given a CSR, its names must meet those of the one that was found', async () => {
  const agent = await enrolledAgent(platform, 'with-csr');
  const discovered = await foundBy(agent, foreign('csr.example.com'));
  const strange = await ordered({ name: 'strange', csr: makeCsr(['strange.example.com']).csr, discovered });
  expect([strange.status, strange.text]).toEqual([409, expect.stringContaining('none of these names')]);
  expect([await named('strange'), await claimed(discovered)]).toMatchObject([[], { status: 'unmanaged' }]);
  const answer = await ordered({ name: 'by-csr', csr: makeCsr(['csr.example.com']).csr, discovered });
  expect(answer.status).toBe(202);
  expect(await claimed(discovered)).toMatchObject({ certificate: (answer.json()['certificate'] as Shown).id });
});

test('given names and a kind of key of one’s own, they are taken', async () => {
  const agent = await enrolledAgent(platform, 'own-names');
  const discovered = await foundBy(agent, foreign('one.example.com', 'two.example.com'));
  const target = await makeTarget(platform, agent, 'own-names');
  const more = { names: ['two.example.com'], key_algorithm: 'ECDSA-P384' };
  const answer = await ordered({ name: 'own-names', targets: [target], discovered, ...more });
  expect(answer.json()).toMatchObject({
    certificate: { key_algorithm: 'ECDSA-P384', sans: [{ type: 'dns', value: 'two.example.com' }] },
  });
});

test('of several who order for the same one at once, one does; the others leave nothing behind', async () => {
  const agent = await enrolledAgent(platform, 'contended');
  const discovered = await foundBy(agent, foreign('contended.example.com'));
  const target = await makeTarget(platform, agent, 'contended');
  const names = [1, 2, 3].map((n) => `contended-${n}`);
  const answers = await Promise.all(names.map((name) => ordered({ name, targets: [target], discovered })));
  expect(answers.map(({ status }) => status).sort()).toEqual([202, 409, 409]);
  const made = (await Promise.all(names.map(named))).flat();
  expect(made).toHaveLength(1);
  expect(await claimed(discovered)).toMatchObject({ certificate: made[0]!.id });
});

test('the same request once more under its Idempotency-Key has the first answer', async () => {
  const agent = await enrolledAgent(platform, 'repeated');
  const discovered = await foundBy(agent, foreign('repeated.example.com'));
  const body = { name: 'repeated', targets: [await makeTarget(platform, agent, 'repeated')], discovered };
  const key = { 'idempotency-key': randomUUID() };
  const [first, second] = [await ordered(body, key), await ordered(body, key)];
  expect([first.status, second.status, second.text]).toEqual([202, 202, first.text]);
  expect((await ordered(body)).status).toBe(409);
});

test('given a profile that asks for approval, what was found is claimed, and nothing is issued before a second person says yes', async () => {
  await api(platform, 'POST', '/api/v1/profiles', { id: 'gated', name: 'Gated', requires_approval: true });
  const agent = await enrolledAgent(platform, 'gated');
  const discovered = await foundBy(agent, foreign('gated.example.com'));
  const csr = makeCsr(['gated.example.com']).csr;
  const { job } = (await ordered({ name: 'gated', profile: 'gated', csr, discovered })).json() as { job: string };
  expect((await api(platform, 'GET', `/api/v1/jobs/${job}`)).json()).toMatchObject({ status: 'awaiting_approval' });
  expect(await claimed(discovered)).toMatchObject({ status: 'managed' });
});

test('given a name that the profile forbids, neither is done', async () => {
  await api(platform, 'POST', '/api/v1/profiles', { id: 'narrow', name: 'Narrow', allowed_names: ['example.net'] });
  const agent = await enrolledAgent(platform, 'narrow');
  const discovered = await foundBy(agent, foreign('narrow.example.com'));
  const body = { name: 'narrow', profile: 'narrow', targets: [await makeTarget(platform, agent, 'narrow')], discovered };
  expect((await ordered(body)).status).toBeGreaterThanOrEqual(400);
  expect([await named('narrow'), await claimed(discovered)]).toMatchObject([[], { status: 'unmanaged' }]);
});

test('given the certificate of a CA, one that is dismissed, or none, it is refused', async () => {
  const agent = await enrolledAgent(platform, 'not-that');
  const target = await makeTarget(platform, agent, 'not-that');
  const ca = await foundBy(agent, make({ subject: 'Some CA', ca: {}, extensions: [alternativeNames(dns('ca.example.com'))] }).der);
  const dismissed = await foundBy(agent, foreign('dismissed.example.com'));
  await api(platform, 'POST', `/api/v1/discovered-certificates/${dismissed}/dismiss`, { reason: 'old' });
  const answers = await Promise.all(
    [ca, dismissed, 'dc-none'].map((discovered) => ordered({ name: 'not-that', targets: [target], discovered })),
  );
  expect(answers.map(({ status, text }) => [status, text])).toEqual([
    [409, expect.stringContaining('that of a CA')],
    [409, expect.stringContaining('is dismissed')],
    [400, expect.stringContaining('no such discovered certificate')],
  ]);
  const nameless = await ordered({ name: 'not-that', targets: [target] });
  expect([nameless.status, nameless.text]).toEqual([400, expect.stringContaining('names')]);
});

test('given a key whose rights reach one profile alone, it orders there, but claims nothing: that takes the right for the whole platform', async () => {
  const agent = await enrolledAgent(platform, 'scoped');
  const discovered = await foundBy(agent, foreign('scoped.example.com'));
  const roles = [{ role: 'r-operator', scope_type: 'profile', scope_id: 'default' }];
  const made = (await api(platform, 'POST', '/api/v1/auth/keys', { name: 'scoped', roles })).json();
  const authorization = `Bearer ${String(made['token'])}`;
  const csr = makeCsr(['scoped.example.com']).csr;
  const refused = await ordered({ name: 'scoped', csr, discovered }, { authorization });
  expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('discovery.claim')]);
  expect((await ordered({ name: 'scoped', csr }, { authorization })).status).toBe(202);
});
