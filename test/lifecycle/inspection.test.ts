import { afterAll, beforeAll, expect, test as once } from 'vitest';
import { agentStates } from '#adapters/dynamodb/agent-states.ts';
import { dynamodbOf, stateTable } from '../cloud.ts';
import { withinOneWindow } from '../one-window.ts';
import { api, rowsOf, startPlatform, type Answer, type Platform } from '../platform.ts';
import { certified, makeTarget, order, report, served, work, workSoon, type Item } from './agent-jobs.ts';
import { enrolledAgent, hostFacts, type SignedAgent } from './signed-agent.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(async () => {
  await platform.stop();
});

let round = 0;
/** A look that comes due by itself would come between. */
const test = (title: string, work: () => Promise<void>): void =>
  once(title, () =>
    withinOneWindow((attempt) => {
      round = attempt;
      return work();
    }),
  );
/** What is made again has another name. */
const named = (name: string): string => (round === 0 ? name : `${name}-${round}`);

const strange = 'ab'.repeat(32);
const shown = async (target: string): Promise<Record<string, unknown>> => (await api(platform, 'GET', `/api/v1/targets/${target}`)).json();
const ask = (target: string): Promise<Answer> => api(platform, 'POST', `/api/v1/targets/${target}/test`);
const seen = (fingerprint: string): object => ({
  observation: { source: 'served', fingerprint, serial: 'a1', not_after: '2030-01-01T00:00:00Z' },
});
const inspected = (items: readonly Item[]): Item => {
  expect(items).toMatchObject([{ type: 'inspection' }]);
  return items[0]!;
};
/** As if the time of the next look had come, and the agent had been told. */
const due = async (target: string): Promise<void> => {
  const { name, version, config, on_drift } = await shown(target);
  const answer = await api(
    platform,
    'PUT',
    `/api/v1/targets/${target}`,
    { name, config, on_drift },
    { 'if-match': `"v${String(version)}"` },
  );
  expect(answer.status).toBe(200);
};

interface Deployed {
  readonly agent: SignedAgent;
  readonly target: string;
  readonly certificate: string;
  readonly fingerprint: string;
}

async function deployed(wanted: string, more: object = {}): Promise<Deployed> {
  const name = named(wanted);
  const agent = await enrolledAgent(platform, name);
  const target = await makeTarget(platform, agent, name, more);
  const { id } = await order(platform, name, [target]);
  const [item] = await certified(agent, name);
  const fingerprint = await served(agent, item!);
  await report(agent, item!, { observed_fingerprint: fingerprint });
  return { agent, target, certificate: id, fingerprint };
}

const notices = (target: string): Promise<readonly object[]> =>
  rowsOf(platform, `SELECT event, data ->> 'observed' AS observed FROM notifications WHERE subject_id = $1`, [target]);
const audited = async (target: string): Promise<readonly string[]> => {
  const text = `SELECT action FROM audit_events WHERE resource_id = $1 AND action LIKE 'target\\_%' ORDER BY id`;
  return (await rowsOf<{ action: string }>(platform, text, [target])).map(({ action }) => action);
};
const repairs = (certificate: string): Promise<readonly object[]> =>
  rowsOf(platform, `SELECT reason FROM deployments WHERE certificate_id = $1 AND reason = 'repair'`, [certificate]);

test('given a deployment that was seen in place, the target says so, and its agent looks again in the next daily window', async () => {
  const { target, fingerprint, agent } = await deployed('in-place');
  const { inspection, next_inspection_at } = await shown(target);
  expect(inspection).toMatchObject({
    outcome: 'in_sync',
    expected_fingerprint: fingerprint,
    observed_fingerprint: fingerprint,
    observed_source: 'served',
    drifted_since: null,
    ready: true,
  });
  expect(new Date(String(next_inspection_at)).toISOString()).toMatch(/T03:00:00\.000Z$/);
  expect(await work(agent)).toEqual([]);
});

test('given a pool whose certificates are counted, its agent is told which may be there, unless it cannot count', async () => {
  const verify = { host: '127.0.0.1', port: 443, quorum: { matching: 1, of: 4 } };
  const config = { cert_path: '/etc/pool.crt', key_path: '/etc/pool.key', verify };
  const { agent, target, fingerprint } = await deployed('pool', { config });
  await ask(target);
  const counting = inspected(await workSoon(agent));
  expect(counting).toMatchObject({ expected: [fingerprint] });
  await report(agent, counting, seen(fingerprint));
  await agent.send('POST', 'heartbeat', { ...hostFacts(), capabilities: ['nginx', 'inspection'] });
  await ask(target);
  expect(inspected(await workSoon(agent))).not.toHaveProperty('expected');
  const alone = await deployed('no-pool');
  await ask(alone.target);
  expect(inspected(await workSoon(alone.agent))).not.toHaveProperty('expected');
});

test('given a target that has a name of its own for what it got, the next look and the next deployment are told it', async () => {
  const { agent, target, certificate } = await deployed('named');
  const reference = 'arn:aws:acm:eu-central-1:000000000000:certificate/1';
  await api(platform, 'POST', `/api/v1/certificates/${certificate}/deploy`, { target });
  const [first] = await workSoon(agent);
  expect(first).not.toHaveProperty('reference');
  // Of a deployment that failed, too: what was made there is there.
  await report(agent, first!, { ok: false, failure_class: 'verify', reference });
  expect(await shown(target)).toMatchObject({ reference });
  await api(platform, 'POST', `/api/v1/certificates/${certificate}/deploy`, { target });
  const [second] = await workSoon(agent);
  expect(second).toMatchObject({ type: 'deployment', reference });
  await report(agent, second!, { observed_fingerprint: await served(agent, second!) });
  await ask(target);
  expect(inspected(await workSoon(agent))).toMatchObject({ reference });
  expect(await shown(target)).toMatchObject({ reference });
});

test('given a platform whose settings name no region, the connector gets no target', async () => {
  const config = { region: 'eu-central-1', verify: 'off' };
  const answer = await api(platform, 'POST', '/api/v1/targets', { name: 'none', type: 'aws_acm', agent: 'agent-connector', config });
  expect([answer.status, answer.text]).toEqual([400, expect.stringContaining('certificateManagerRegions')]);
  expect((await api(platform, 'GET', '/api/v1/agents/agent-connector')).status).toBe(404);
});

test('given a target that serves another certificate, this is told once however often it is seen, and by default nothing is changed', async () => {
  const { agent, target, certificate, fingerprint } = await deployed('reported');
  await api(platform, 'POST', '/api/v1/notification-channels', {
    name: 'drift',
    url: 'https://hooks.example.com/',
    events: ['target.drifted'],
  });
  let since: unknown;
  for (let n = 0; n < 2; n++) {
    await due(target);
    const job = inspected(await workSoon(agent));
    expect(job).toMatchObject({ target_id: target, key_type: 'ec' });
    expect((await report(agent, job, seen(strange))).json()['status']).toBe('completed');
    const { inspection } = await shown(target);
    expect(inspection).toMatchObject({
      outcome: 'drifted',
      expected_fingerprint: fingerprint,
      observed_fingerprint: strange,
      observed_serial: 'a1',
      observed_not_after: '2030-01-01T00:00:00.000Z',
    });
    since ??= (inspection as Record<string, unknown>)['drifted_since'];
    expect((inspection as Record<string, unknown>)['drifted_since']).toBe(since);
  }
  expect(await notices(target)).toEqual([{ event: 'target.drifted', observed: strange }]);
  expect(await repairs(certificate)).toEqual([]);
  // What was deployed is there again, by whoever did it.
  await due(target);
  await report(agent, inspected(await workSoon(agent)), seen(fingerprint));
  expect((await shown(target))['inspection']).toMatchObject({ outcome: 'in_sync', drifted_since: null });
  expect(await audited(target)).toEqual(['target_drifted', 'target_in_sync']);
});

test('given a target that is to be repaired, two looks and a report that comes twice make one deployment of what ought to be there', async () => {
  const { agent, target, certificate, fingerprint } = await deployed('repaired', { on_drift: 'repair' });
  await due(target);
  const looks = await Promise.all([work(agent), work(agent), work(agent)]);
  const job = inspected(looks.flat().length > 0 ? looks.flat() : await workSoon(agent));
  const answers = await Promise.all([1, 2, 3].map(() => report(agent, job, seen(strange))));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(await repairs(certificate)).toEqual([{ reason: 'repair' }]);
  const [repair] = await workSoon(agent);
  expect(repair).toMatchObject({ type: 'deployment', target_id: target });
  expect(await served(agent, repair!)).toBe(fingerprint);
  await report(agent, repair!, { observed_fingerprint: fingerprint });
  expect((await shown(target))['inspection']).toMatchObject({ outcome: 'in_sync', drifted_since: null });
  expect(await repairs(certificate)).toHaveLength(1);
});

test('given a deployment that has not ended, what a look sees is not called drift and repairs nothing', async () => {
  const { agent, target, certificate } = await deployed('in-flight', { on_drift: 'repair' });
  await due(target);
  const job = inspected(await workSoon(agent));
  expect((await api(platform, 'POST', `/api/v1/certificates/${certificate}/deploy`, {})).status).toBe(202);
  await report(agent, job, seen(strange));
  expect((await shown(target))['inspection']).toMatchObject({ outcome: 'deploying', observed_fingerprint: strange, drifted_since: null });
  expect(await repairs(certificate)).toEqual([]);
  // Begun before the end of a deployment, and told after it.
  const [redo] = await workSoon(agent);
  expect((await ask(target)).status).toBe(202);
  const late = inspected(await workSoon(agent));
  await report(agent, redo!, { observed_fingerprint: await served(agent, redo!) });
  await report(agent, late, seen(strange));
  expect((await shown(target))['inspection']).toMatchObject({ outcome: 'deploying' });
  expect(await repairs(certificate)).toEqual([]);
});

test('given a server that does not answer, it has not drifted, and is not repaired', async () => {
  const { agent, target, certificate } = await deployed('unreachable', { on_drift: 'repair' });
  await due(target);
  const job = inspected(await workSoon(agent));
  await report(agent, job, { detail: 'no TLS handshake with 127.0.0.1:443: ECONNREFUSED', observation: { source: 'none' } });
  expect((await shown(target))['inspection']).toMatchObject({
    outcome: 'unreachable',
    ready: true,
    detail: 'no TLS handshake with 127.0.0.1:443: ECONNREFUSED',
    observed_fingerprint: null,
    drifted_since: null,
  });
  expect([await repairs(certificate), await audited(target)]).toEqual([[], []]);
});

test('given a certificate that is gone from where it was stored, that is drift', async () => {
  const { agent, target, certificate } = await deployed('emptied', { on_drift: 'repair' });
  await due(target);
  await report(agent, inspected(await workSoon(agent)), { detail: 'no certificate is stored', observation: { source: 'empty' } });
  expect((await shown(target))['inspection']).toMatchObject({ outcome: 'drifted', observed_fingerprint: null });
  expect(await repairs(certificate)).toHaveLength(1);
});

test('given a target that was never deployed to, a test tells whether it could be; while one is on its way no second one is made', async () => {
  const agent = await enrolledAgent(platform, named('tested'));
  const target = await makeTarget(platform, agent, named('tested'));
  expect(await work(agent)).toEqual([]);
  const answers = await Promise.all([ask(target), ask(target)]);
  expect(answers.map(({ status }) => status)).toEqual([202, 202]);
  const jobs = new Set(answers.map((answer) => answer.json()['job'] as string));
  expect(jobs.size).toBe(1);
  const job = inspected(await workSoon(agent));
  expect([job.job_id, job.key_type]).toEqual([[...jobs][0], null]);
  await report(agent, job, {
    ok: false,
    failure_class: 'write',
    detail: '/etc cannot be written: access /etc EACCES',
    observation: { source: 'empty' },
  });
  expect((await api(platform, 'GET', `/api/v1/jobs/${job.job_id}`)).json()).toMatchObject({
    type: 'inspection',
    status: 'completed',
    subject: target,
  });
  expect((await shown(target))['inspection']).toMatchObject({ outcome: 'nothing_deployed', ready: false, failure_class: 'write' });
  expect((await shown(target))['next_inspection_at']).toBeNull();
});

test('given an agent that is away, too old, or a target that is retired, nobody is asked to look', async () => {
  const agent = await enrolledAgent(platform, named('unasked'));
  const target = await makeTarget(platform, agent, named('unasked'));
  await agent.send('POST', 'heartbeat', { ...hostFacts(), capabilities: ['nginx'] });
  expect(await ask(target)).toMatchObject({ status: 409, text: expect.stringContaining('too old') as string });
  await agent.send('POST', 'heartbeat', hostFacts());
  await rowsOf(platform, `UPDATE agents SET status = 'offline' WHERE id = $1`, [agent.id]);
  expect(await ask(target)).toMatchObject({ status: 409, text: expect.stringContaining('offline') as string });
  await api(platform, 'DELETE', `/api/v1/targets/${target}`);
  expect([(await ask(target)).status, (await ask('tgt-none')).status]).toEqual([409, 404]);
});

test('given an older agent whose target is due, it gets no work that it does not know, and PostgreSQL is not asked at each poll', async () => {
  const { agent, target } = await deployed('older');
  await agent.send('POST', 'heartbeat', { ...hostFacts(), capabilities: ['nginx'] });
  await due(target);
  expect(await work(agent)).toEqual([]);
  const state = await agentStates(dynamodbOf(platform), stateTable(platform)).read(agent.id);
  expect(state?.drainedSeq).toBe(state?.seq);
  expect(state?.nextDue).toBeGreaterThan(Date.now());
});

test('given a target of whose drift nobody wants to know, it is not looked at', async () => {
  const { target } = await deployed('ignored', { on_drift: 'ignore', inspect_every_seconds: 3600 });
  expect(await shown(target)).toMatchObject({ on_drift: 'ignore', inspect_every_seconds: 3600, next_inspection_at: null });
});

test('given a report by another agent, or with a lease that has passed, nothing is believed', async () => {
  const { agent, target } = await deployed('guarded');
  const other = await enrolledAgent(platform, named('guarding'));
  await due(target);
  const job = inspected(await workSoon(agent));
  expect((await report(other, job, seen(strange))).status).toBe(404);
  expect((await report(agent, { ...job, lease_token: 'lease-none' }, seen(strange))).status).toBe(409);
  expect((await report(agent, job, { observation: { source: 'served', fingerprint: 'AB' } })).status).toBe(400);
  expect((await shown(target))['inspection']).toMatchObject({ outcome: 'in_sync' });
});

test('given a deployment that fails after a newer one was made, it is not tried again', async () => {
  const { agent, certificate } = await deployed('overtaken');
  const deploy = (): Promise<Answer> => api(platform, 'POST', `/api/v1/certificates/${certificate}/deploy`, {});
  await deploy();
  const [older] = await workSoon(agent);
  await deploy();
  const failed = await report(agent, older!, { ok: false, failure_class: 'reload', detail: 'exit 1' });
  expect(failed.json()['status']).toBe('cancelled');
  const [newer] = await workSoon(agent);
  expect(newer!.job_id).not.toBe(older!.job_id);
});
