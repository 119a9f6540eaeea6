import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, startPlatform, until, type Answer, type Platform } from '../platform.ts';
import { callsTo, certified, report, served, work, workSoon, type Item } from './agent-jobs.ts';
import { makeCsr } from './csr.ts';
import { enrolledAgent, type SignedAgent } from './signed-agent.ts';

let platform: Platform;
let database: pg.Client;
beforeAll(async () => {
  platform = await startPlatform();
  database = await platform.database();
});
afterAll(async () => {
  await database.end();
  await platform.stop();
});

const { get, target, ordered } = callsTo(() => platform);
const post = (path: string, body: object = {}): Promise<Answer> => api(platform, 'POST', `/api/v1/${path}`, body);
const deploymentsOf = async (id: string): Promise<unknown> =>
  ((await api(platform, 'GET', `/api/v1/deployments?certificate=${id}`)).json()['items'] as { status: string; reason: string }[]).map(
    ({ status, reason }) => `${reason} ${status}`,
  );
const change = async (id: string, more: object): Promise<void> => {
  const { name, config, version } = (await api(platform, 'GET', `/api/v1/targets/${id}`)).json();
  const changed = await api(platform, 'PUT', `/api/v1/targets/${id}`, { name, config, ...more }, { 'if-match': `"v${String(version)}"` });
  expect([changed.status, changed.text]).toEqual([200, expect.stringContaining(id)]);
};

/** A certificate whose deployment waits for its agent. */
async function waiting(name: string): Promise<{ agent: SignedAgent; id: string; at: string }> {
  const agent = await enrolledAgent(platform, name);
  const at = await target(agent, name);
  const { id } = await ordered(name, [at]);
  const [job] = await workSoon(agent);
  await agent.send('POST', `jobs/${job!.job_id}/csr`, { lease_token: job!.lease_token, csr: makeCsr([`${name}.example.com`]).csr });
  await until('it is issued', async () => ((await deploymentsOf(id)) as string[])[0]);
  return { agent, id, at };
}

/** The certificate's next version, whose deployment waits. */
async function renewed(agent: SignedAgent, id: string, name: string): Promise<void> {
  const before = (await get(id))['serial'];
  expect((await post(`certificates/${id}/renew`)).status).toBe(202);
  const [job] = await workSoon(agent);
  await agent.send('POST', `jobs/${job!.job_id}/csr`, { lease_token: job!.lease_token, csr: makeCsr([`${name}.example.com`]).csr });
  await until('it is renewed', async () => ((await get(id))['serial'] === before ? undefined : true));
}

const finish = async (agent: SignedAgent, item: Item): Promise<void> => {
  const answer = await report(agent, item, { observed_fingerprint: await served(agent, item) });
  expect(answer.json()['status']).toBe('completed');
};

test.each([
  ['revoked', (id: string) => post(`certificates/${id}/revoke`, { reason: 'keyCompromise' })],
  ['archived', (id: string) => api(platform, 'DELETE', `/api/v1/certificates/${id}`)],
] as const)(
  'given a certificate that is %s while its deployment waits for the agent, nobody puts it in place any more',
  async (how, end) => {
    const { agent, id } = await waiting(`waiting-${how}`);
    expect((await end(id)).status).toBe(200);
    expect(await deploymentsOf(id)).toEqual(['issued cancelled']);
    expect(await work(agent)).toEqual([]);
  },
);

test('given a certificate that is revoked while its agent deploys it, the attempt is the last', async () => {
  const { agent, id } = await waiting('running-revoked');
  const [item] = await workSoon(agent);
  expect((await post(`certificates/${id}/revoke`, { reason: 'keyCompromise' })).status).toBe(200);
  expect((await report(agent, item!, { ok: false, failure_class: 'reload', detail: 'exit 1' })).status).toBe(409);
  expect(await deploymentsOf(id)).toEqual(['issued cancelled']);
});

test('given a certificate that is held while its deployment waits, it is put in place when it is released', async () => {
  const { agent, id } = await waiting('waiting-held');
  expect((await post(`certificates/${id}/revoke`, { reason: 'certificateHold' })).status).toBe(200);
  expect(await work(agent)).toEqual([]);
  expect((await post(`certificates/${id}/release`)).status).toBe(200);
  const [item] = await workSoon(agent);
  await finish(agent, item!);
  expect(await get(id)).toMatchObject({ state: 'active', deployment: 'verified' });
});

test('given a target that is switched off, nothing goes there; switched on, it gets what was issued meanwhile', async () => {
  const { agent, id, at } = await waiting('off');
  await change(at, { enabled: false });
  expect(await deploymentsOf(id)).toEqual(['issued cancelled']);
  expect(await work(agent)).toEqual([]);
  await change(at, { enabled: true });
  const [first] = await workSoon(agent);
  await finish(agent, first!);
  expect((await get(id))['deployment']).toBe('verified');
  await change(at, { enabled: false });
  await renewed(agent, id, 'off');
  expect(await work(agent)).toEqual([]);
  expect((await get(id))['deployment']).toBe('pending');
  await change(at, { enabled: true });
  const [second] = (await workSoon(agent)).filter(({ type }) => type === 'deployment');
  expect(second!.version_id).not.toBe(first!.version_id);
  await finish(agent, second!);
  expect((await get(id))['deployment']).toBe('verified');
  // What is in place is not put there again.
  await change(at, { enabled: false });
  await change(at, { enabled: true });
  expect((await work(agent)).filter(({ type }) => type === 'deployment')).toEqual([]);
});

const shares = async (name: string): Promise<{ id: string; agents: SignedAgent[]; targets: string[] }> => {
  const agents = [await enrolledAgent(platform, `${name}-1`), await enrolledAgent(platform, `${name}-2`)];
  const targets = [await target(agents[0]!, `${name}-1`), await target(agents[1]!, `${name}-2`)];
  const { id } = await ordered(name, targets);
  for (const agent of agents) for (const item of await certified(agent, name)) await finish(agent, item);
  return { id, agents, targets };
};
const daysLeft = async (id: string): Promise<number> =>
  Math.round((Date.parse((await get(id))['not_after'] as string) - Date.now()) / 86_400_000);
/** As if an agent's version had been issued so long ago that it ends in so many days. */
const ends = (id: string, agent: SignedAgent, days: number): Promise<unknown> =>
  database.query(
    `WITH h AS (UPDATE certificate_holders SET not_after = now() + make_interval(days => $3) WHERE certificate_id = $1 AND agent_id = $2)
     UPDATE managed_certificates SET not_after = now() + make_interval(days => $3) WHERE id = $1`,
    [id, agent.id, days],
  );

test.each([
  ['agent', (agent: SignedAgent) => post(`agents/${agent.id}/retire`, { force: true, reason: 'gone' })],
  ['target', (_: SignedAgent, at: string) => api(platform, 'DELETE', `/api/v1/targets/${at}?reason=gone`)],
] as const)('given a certificate on two agents, the end of the version of a retired %s is not the certificate’s', async (what, retire) => {
  const { id, agents, targets } = await shares(`left-${what}`);
  const before = await daysLeft(id);
  await ends(id, agents[0]!, 5);
  expect(await daysLeft(id)).toBe(5);
  expect((await retire(agents[0]!, targets[0]!)).status).toBe(200);
  expect(await daysLeft(id)).toBe(before);
  await renewed(agents[1]!, id, `left-${what}`);
  expect(await daysLeft(id)).toBe(before);
  expect(await get(id)).toMatchObject({ health: 'good', last_error: null });
});

test('given a certificate on two agents of which one stays away, the other’s renewal silences no alert of what it serves', async () => {
  const { id, agents } = await shares('away');
  await ends(id, agents[0]!, 20);
  await database.query(`UPDATE managed_certificates SET alert_at = not_after - interval '14 days' WHERE id = $1`, [id]);
  await renewed(agents[1]!, id, 'away');
  expect(await daysLeft(id)).toBe(20);
  const { rows } = await database.query(
    `SELECT alert_at = not_after - interval '14 days' AS kept FROM managed_certificates WHERE id = $1`,
    [id],
  );
  expect(rows).toEqual([{ kept: true }]);
});
