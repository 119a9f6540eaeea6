import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, startPlatform, until, type Answer, type Platform } from '../platform.ts';
import { callsTo, report, served, work, workSoon, type Item } from './agent-jobs.ts';
import { makeCsr } from './csr.ts';
import { enrolledAgent, type SignedAgent } from './signed-agent.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(async () => {
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
