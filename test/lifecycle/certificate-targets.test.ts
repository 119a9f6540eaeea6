import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, request, rowsOf, startPlatform, type Answer, type Platform } from '../platform.ts';
import { callsTo, certified, makeTarget, report, served, work, workSoon } from './agent-jobs.ts';
import { makeCsr } from './csr.ts';
import { enrolledAgent, type SignedAgent } from './signed-agent.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const { get, jobOf, run, target, ordered } = callsTo(() => platform);

/** Makes these the targets of a certificate, as it is now. */
async function move(id: string, targets: readonly string[], headers: Record<string, string> = {}): Promise<Answer> {
  const etag = { 'if-match': `"v${String((await get(id))['version'])}"` };
  return api(platform, 'PUT', `/api/v1/certificates/${id}/targets`, { targets }, { ...etag, ...headers });
}
const moved = async (id: string, targets: readonly string[]): Promise<Record<string, unknown>> => {
  const answer = await move(id, targets);
  expect([answer.status, answer.text]).toEqual([200, expect.stringContaining(id)]);
  return answer.json();
};
const shareOf = async (id: string, agent: SignedAgent): Promise<object | undefined> =>
  (
    await rowsOf(platform, 'SELECT renew_at, last_error, current_id FROM certificate_holders WHERE certificate_id = $1 AND agent_id = $2', [
      id,
      agent.id,
    ])
  )[0];

/** A certificate that is in place at one target. */
async function inPlace(name: string): Promise<{ readonly agent: SignedAgent; readonly first: string; readonly id: string }> {
  const agent = await enrolledAgent(platform, name);
  const first = await target(agent, name);
  const { id } = await ordered(name, [first]);
  const [item] = await certified(agent, name);
  await report(agent, item!, { observed_fingerprint: await served(agent, item!) });
  expect(await get(id)).toMatchObject({ deployment: 'verified' });
  return { agent, first, id };
}

test('given one more target of the same agent, what the agent has is deployed there, and nothing is issued', async () => {
  const { agent, first, id } = await inPlace('second-place');
  const before = await get(id);
  const second = await target(agent, 'second-place-2');
  expect(await moved(id, [first, second])).toMatchObject({
    targets: [first, second].sort(),
    deployment: 'pending',
    version: 2,
    serial: before['serial'],
  });
  const items = await work(agent);
  expect(items).toMatchObject([{ type: 'deployment', target_id: second }]);
  await report(agent, items[0]!, { observed_fingerprint: await served(agent, items[0]!) });
  expect(await get(id)).toMatchObject({ deployment: 'verified', serial: before['serial'], renew_at: before['renew_at'] });
});

test('given a target of another agent, that one makes a key of its own, and the first goes on with what it has', async () => {
  const { agent, first, id } = await inPlace('second-host');
  const other = await enrolledAgent(platform, 'second-host-2');
  const second = await target(other, 'second-host-2');
  await moved(id, [first, second]);
  expect(await work(agent)).toEqual([]);
  const [item] = await certified(other, 'second-host');
  expect(item).toMatchObject({ type: 'deployment', target_id: second });
  await report(other, item!, { observed_fingerprint: await served(other, item!) });
  expect(await get(id)).toMatchObject({ deployment: 'verified' });
  const audited = await rowsOf(
    platform,
    `SELECT details FROM audit_events WHERE resource_id = $1 AND action = 'replaceCertificateTargets'`,
    [id],
  );
  expect(audited).toMatchObject([{ details: { added: [second], removed: [], jobs: [expect.stringMatching(/^job-/)] } }]);
});

test('given a host that is replaced by another, the old one is asked for nothing more, and what is shown is what the new one has', async () => {
  const { agent, first, id } = await inPlace('replaced');
  const other = await enrolledAgent(platform, 'replacing');
  const second = await target(other, 'replacing');
  await moved(id, [second]);
  expect(await shareOf(id, agent)).toMatchObject({ renew_at: null, last_error: null });
  await rowsOf(
    platform,
    `UPDATE certificate_holders SET not_after = now() + interval '1 day' WHERE certificate_id = $1 AND agent_id = $2`,
    [id, agent.id],
  );
  const [item] = await certified(other, 'replaced');
  await report(other, item!, { observed_fingerprint: await served(other, item!) });
  const now = await get(id);
  expect(now).toMatchObject({ targets: [second], deployment: 'verified', health: 'good', last_error: null });
  const [{ serial }] = (await rowsOf<{ serial: string }>(
    platform,
    'SELECT serial FROM certificates WHERE managed_id = $1 AND agent_id = $2',
    [id, other.id],
  )) as [{ serial: string }];
  expect(now['serial']).toBe(serial);
  expect(Date.parse(String(now['not_after']))).toBeGreaterThan(Date.now() + 86_400_000 * 2);
  // It was due for renewal, too: nobody asks it.
  await run('renewalCheck');
  expect(await work(agent)).toEqual([]);
  expect((await api(platform, 'GET', `/api/v1/targets/${first}`)).json()).toMatchObject({
    next_inspection_at: null,
    inspection: { outcome: 'nothing_deployed', expected_fingerprint: null },
  });
});

test('given a host of two that is taken away, the certificate ends when the version of the other does', async () => {
  const { agent, first, id } = await inPlace('shrinking');
  const other = await enrolledAgent(platform, 'shrinking-2');
  const second = await target(other, 'shrinking-2');
  await moved(id, [first, second]);
  const [item] = await certified(other, 'shrinking');
  await report(other, item!, { observed_fingerprint: await served(other, item!) });
  await rowsOf(
    platform,
    `UPDATE certificate_holders SET not_after = now() + interval '1 day' WHERE certificate_id = $1 AND agent_id = $2`,
    [id, agent.id],
  );
  const left = await moved(id, [second]);
  const [share] = await rowsOf<{ not_after: Date }>(
    platform,
    'SELECT not_after FROM certificate_holders WHERE certificate_id = $1 AND agent_id = $2',
    [id, other.id],
  );
  expect(left['not_after']).toBe(share!.not_after.toISOString());
});

test('given a deployment that is under way, leaving its target out withdraws it, its late report is stale, and the target may come back', async () => {
  const agent = await enrolledAgent(platform, 'leaving');
  const [stays, leaves] = [await target(agent, 'staying'), await target(agent, 'leaving')];
  const { id } = await ordered('leaving', [stays, leaves]);
  const items = await certified(agent, 'leaving');
  const late = items.find(({ target_id }) => target_id === leaves)!;
  const kept = items.find(({ target_id }) => target_id === stays)!;
  await moved(id, [stays]);
  expect(await jobOf(late.job_id)).toMatchObject({ status: 'cancelled' });
  const observed_fingerprint = await served(agent, late);
  expect((await report(agent, late, { observed_fingerprint })).status).toBe(409);
  await report(agent, kept, { observed_fingerprint });
  expect(await get(id)).toMatchObject({ targets: [stays], deployment: 'verified' });
  await moved(id, [stays, leaves]);
  expect((await report(agent, late, { observed_fingerprint })).status).toBe(409);
  const again = await work(agent);
  expect(again).toMatchObject([{ type: 'deployment', target_id: leaves }]);
  await report(agent, again[0]!, { observed_fingerprint });
  expect(await get(id)).toMatchObject({ deployment: 'verified' });
});

test('given an agent that was left out and comes back, it is asked for a new key', async () => {
  const { agent, first, id } = await inPlace('coming-back');
  const other = await enrolledAgent(platform, 'meanwhile');
  await moved(id, [await target(other, 'meanwhile')]);
  await moved(id, [first, ...((await get(id))['targets'] as string[])]);
  const items = await workSoon(agent);
  expect(items).toMatchObject([{ type: 'csr', certificate_id: id }]);
  expect(await shareOf(id, agent)).toMatchObject({ renew_at: null });
});

test('given an agent that is making its key, another target of it joins in, and leaving it out ends the order', async () => {
  const agent = await enrolledAgent(platform, 'making');
  const other = await enrolledAgent(platform, 'making-2');
  const [one, two, far] = [await target(agent, 'making-1'), await target(agent, 'making-2'), await target(other, 'making-far')];
  const { id, jobs } = await ordered('making', [one]);
  await moved(id, [one, two]);
  const [item] = await workSoon(agent);
  expect(item).toMatchObject({ type: 'csr', job_id: jobs[0] });
  await moved(id, [far]);
  const csr = makeCsr(['making.example.com']).csr;
  expect((await agent.send('POST', `jobs/${item!.job_id}/csr`, { lease_token: item!.lease_token, csr })).status).toBe(409);
  const [deployment] = await certified(other, 'making');
  expect(deployment).toMatchObject({ target_id: far });
});

test('given the same targets, nothing changes', async () => {
  const { first, id } = await inPlace('unmoved');
  expect(await moved(id, [first, first])).toMatchObject({ version: 1, deployment: 'verified' });
});

test('given two who change them at once, one does and the other hears of it', async () => {
  const { agent, first, id } = await inPlace('contended');
  const others = await Promise.all(['contended-1', 'contended-2'].map((name) => target(agent, name)));
  const ifMatch = { 'if-match': '"v1"' };
  const answers = await Promise.all(
    others.map((other) => api(platform, 'PUT', `/api/v1/certificates/${id}/targets`, { targets: [first, other] }, ifMatch)),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
  expect((await get(id))['targets']).toHaveLength(2);
});

test('given a profile that wants approval, a new agent’s key waits for it', async () => {
  const { first, id } = await inPlace('approved');
  await api(platform, 'POST', '/api/v1/profiles', { id: 'slow', name: 'slow', requires_approval: true });
  await rowsOf(platform, `UPDATE managed_certificates SET profile_id = 'slow' WHERE id = $1`, [id]);
  const other = await enrolledAgent(platform, 'approved-2');
  await moved(id, [first, await target(other, 'approved-2')]);
  expect(await work(other)).toEqual([]);
  const { items } = (await api(platform, 'GET', `/api/v1/approvals?certificate=${id}`)).json() as { items: object[] };
  expect(items).toMatchObject([{ kind: 'issuance', state: 'pending', certificate: id }]);
});

test.each([
  ['one that does not exist', async (): Promise<string> => 'tgt-none'],
  [
    'one that is retired',
    async (): Promise<string> => {
      const retired = await target(await enrolledAgent(platform, 'retiring'), 'retiring');
      await api(platform, 'DELETE', `/api/v1/targets/${retired}`);
      return retired;
    },
  ],
] as const)('given %s among the targets, nothing is changed', async (what, make) => {
  const name = what.replaceAll(' ', '-');
  const { first, id } = await inPlace(name);
  const answer = await move(id, [first, await make()]);
  expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('there is no such target, or it is retired')]);
  expect(await get(id)).toMatchObject({ version: 1, targets: [first] });
});

test('given a certificate of a CSR, an archived one, and none, it is refused and says why', async () => {
  const { agent, first, id } = await inPlace('refused');
  const { csr } = makeCsr(['of-csr.example.com']);
  const ofCsr = (await api(platform, 'POST', '/api/v1/certificates', { name: 'of-csr', csr })).json()['certificate'] as { id: string };
  const refused = await move(ofCsr.id, [first]);
  expect([refused.status, refused.text]).toEqual([409, expect.stringContaining('create a certificate with targets')]);
  await api(platform, 'DELETE', `/api/v1/certificates/${id}`);
  const archived = await move(id, [await target(agent, 'refused-2')]);
  expect([archived.status, archived.text]).toEqual([409, expect.stringContaining('archived')]);
  expect((await move('mc-none', [first], { 'if-match': '"v1"' })).status).toBe(404);
});

test.each([
  ['has ended', `UPDATE certificate_holders SET not_after = now() - interval '1 minute' WHERE certificate_id = $1`],
  [
    'is revoked',
    `INSERT INTO revocations (ca_id, serial, certificate_id, reason, revoked_by, not_after)
     SELECT ca_id, serial, id, 4, 'acme', not_after FROM certificates WHERE managed_id = $1`,
  ],
])('given a version that %s, a new target of its agent does not get that, but waits for a new key', async (what, spoil) => {
  const name = `spoilt-${what.replaceAll(' ', '-')}`;
  const { agent, first, id } = await inPlace(name);
  await rowsOf(platform, spoil, [id]);
  await moved(id, [first, await target(agent, `${name}-2`)]);
  expect(await workSoon(agent)).toMatchObject([{ type: 'csr', certificate_id: id }]);
});

test('given an agent that was left out, another policy of the certificate sets no renewal for it', async () => {
  const { agent, id } = await inPlace('policed');
  const other = await enrolledAgent(platform, 'policed-2');
  await moved(id, [await target(other, 'policed-2')]);
  const policy = (await api(platform, 'POST', '/api/v1/renewal-policies', { name: 'policed' })).json()['id'];
  expect((await api(platform, 'PUT', `/api/v1/certificates/${id}`, { policy }, { 'if-match': '*' })).status).toBe(200);
  expect(await shareOf(id, agent)).toMatchObject({ renew_at: null });
  expect(await get(id)).toMatchObject({ renew_at: null });
});

test('given a target that nobody shall look at, leaving one of its two certificates out does not begin to look', async () => {
  const agent = await enrolledAgent(platform, 'unlooked');
  const shared = await makeTarget(platform, agent, 'unlooked', { on_drift: 'ignore' });
  for (const name of ['unlooked-1', 'unlooked-2']) {
    await ordered(name, [shared]);
    const [item] = await certified(agent, name);
    await report(agent, item!, { observed_fingerprint: await served(agent, item!) });
  }
  const [{ id }] = (await rowsOf<{ id: string }>(platform, `SELECT id FROM managed_certificates WHERE name = 'unlooked-1'`)) as [
    { id: string },
  ];
  await moved(id, [await target(agent, 'unlooked-3')]);
  expect((await api(platform, 'GET', `/api/v1/targets/${shared}`)).json()).toMatchObject({ next_inspection_at: null });
});

test('given an agent that is degraded by a target, leaving that out ends it', async () => {
  const { agent, first, id } = await inPlace('degraded');
  const second = await target(agent, 'degraded-2');
  await moved(id, [first, second]);
  const [item] = await work(agent);
  await report(agent, item!, { ok: false, failure_class: 'rollback_failed', detail: 'no way back' });
  const state = async (): Promise<unknown> => (await api(platform, 'GET', `/api/v1/agents/${agent.id}`)).json()['status'];
  expect([await state(), await get(id)]).toMatchObject(['degraded', { deployment: 'failed', last_error: expect.any(String) as string }]);
  await moved(id, [first]);
  expect([await state(), await get(id)]).toMatchObject(['online', { deployment: 'verified', last_error: null }]);
});

test('given a key of another profile, the certificate does not exist for it, and keeps its targets', async () => {
  const { agent, first, id } = await inPlace('out-of-reach');
  const roles = [{ role: 'r-operator', scope_type: 'profile', scope_id: 'internal' }];
  const { token } = (await api(platform, 'POST', '/api/v1/auth/keys', { name: 'elsewhere', roles })).json();
  const answer = await request(platform, `${platform.url}/api/v1/certificates/${id}/targets`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${String(token)}`, 'content-type': 'application/json', 'if-match': '"v1"' },
    body: JSON.stringify({ targets: [await target(agent, 'out-of-reach-2')] }),
  });
  expect(answer.status).toBe(404);
  expect(await get(id)).toMatchObject({ version: 1, targets: [first] });
});
