import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { invoke } from '../cloud.ts';
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

const { get, jobOf, run, target, ordered } = callsTo(() => platform);

test('given a certificate for a target, its agent makes the key, deploys and is believed when the server serves it', async () => {
  const agent = await enrolledAgent(platform, 'whole');
  const { id, jobs } = await ordered('whole', [await target(agent, 'whole')]);
  expect(await get(id)).toMatchObject({ key_source: 'agent', state: 'pending', deployment: 'pending', health: 'pending' });
  const [item] = await certified(agent, 'whole');
  expect(item).toMatchObject({ type: 'deployment', certificate_id: id, attempt: 1 });
  expect((await jobOf(jobs[0]!))['status']).toBe('completed');
  expect(await get(id)).toMatchObject({ state: 'active', deployment: 'pending', health: 'good' });
  const observed_fingerprint = await served(agent, item!);
  const first = await report(agent, item!, { observed_fingerprint, duration_ms: 12 });
  expect([first.status, first.json()['status']]).toEqual([200, 'completed']);
  // The answer was lost, and the report comes again.
  expect((await report(agent, item!, { observed_fingerprint })).json()['status']).toBe('completed');
  expect(await get(id)).toMatchObject({ deployment: 'verified', last_error: null });
  const { items } = (await api(platform, 'GET', `/api/v1/deployments?certificate=${id}`)).json() as { items: object[] };
  expect(items).toMatchObject([{ status: 'completed', reason: 'issued', attempts: 1, observed_fingerprint, duration_ms: 12 }]);
  const { rows } = await database.query(`SELECT source, agent_id FROM certificates WHERE managed_id = $1`, [id]);
  expect(rows).toEqual([{ source: 'Agent', agent_id: agent.id }]);
});

test('given a renewal that is due, the tick asks the agent for a new key; the same key again is refused', async () => {
  const agent = await enrolledAgent(platform, 'renewing');
  const { id } = await ordered('renewing-key', [await target(agent, 'renewing')]);
  const [job] = await workSoon(agent);
  const made = makeCsr(['renewing-key.example.com']);
  await agent.send('POST', `jobs/${job!.job_id}/csr`, { lease_token: job!.lease_token, csr: made.csr });
  const [deploy] = await workSoon(agent);
  await report(agent, deploy!, { observed_fingerprint: await served(agent, deploy!) });
  const before = await get(id);
  await database.query(`UPDATE certificate_holders SET renew_at = now() - interval '1 second' WHERE certificate_id = $1`, [id]);
  await Promise.all([run('renewalCheck'), run('renewalCheck')]);
  const again = await workSoon(agent);
  expect(again).toMatchObject([{ type: 'csr', certificate_id: id }]);
  const submit = (csr: string) => agent.send('POST', `jobs/${again[0]!.job_id}/csr`, { lease_token: again[0]!.lease_token, csr });
  expect((await submit(made.csr)).status).toBe(422);
  const fresh = makeCsr(['renewing-key.example.com']).csr;
  expect((await submit(fresh)).status).toBe(202);
  expect((await submit(fresh)).status).toBe(202);
  const [second] = await workSoon(agent);
  await report(agent, second!, { observed_fingerprint: await served(agent, second!) });
  const after = await get(id);
  expect(after['serial']).not.toBe(before['serial']);
  expect([after['deployment'], after['health']]).toEqual(['verified', 'good']);
  expect(Date.parse(after['renew_at'] as string)).toBeGreaterThan(Date.now());
  const reasons = (await api(platform, 'GET', `/api/v1/deployments?certificate=${id}`)).json()['items'] as { reason: string }[];
  expect(reasons.map(({ reason }) => reason)).toEqual(['renewed', 'issued']);
});

test('given targets on two agents, each makes a key of its own, gets its own version and sees nothing of the other', async () => {
  const [one, two] = [await enrolledAgent(platform, 'pair-1'), await enrolledAgent(platform, 'pair-2')];
  const { id, jobs } = await ordered('pair', [await target(one, 'pair-1'), await target(two, 'pair-2')]);
  expect(jobs).toHaveLength(2);
  const [[mine], [others]] = [await certified(one, 'pair'), await certified(two, 'pair')];
  expect(mine!.version_id).not.toBe(others!.version_id);
  expect((await two.send('GET', `certificates/${mine!.version_id}`)).status).toBe(404);
  expect((await report(two, mine!, {})).status).toBe(404);
  expect((await two.send('POST', `jobs/${mine!.job_id}/lease`, { lease_token: mine!.lease_token })).status).toBe(409);
  await report(one, mine!, { observed_fingerprint: await served(one, mine!) });
  expect((await get(id))['deployment']).toBe('pending');
  await report(two, others!, { observed_fingerprint: await served(two, others!) });
  expect((await get(id))['deployment']).toBe('verified');
  const keys = await database.query('SELECT count(DISTINCT spki_sha256)::int AS n FROM certificates WHERE managed_id = $1', [id]);
  expect(keys.rows).toEqual([{ n: 2 }]);
});

test.each([
  ['other names', ['other.example.com'], {}, 'lacks|names'],
  ['one name too many', ['strict-1.example.com', 'more.example.com'], {}, 'more.example.com'],
  ['another kind of key', ['strict-2.example.com'], { key_algorithm: 'RSA-2048' }, 'ECDSA-P256'],
])('given a CSR with %s than ordered, it is refused with a reason, and the job still waits', async (what, names, more, reason) => {
  const name = `strict-${['other names', 'one name too many', 'another kind of key'].indexOf(what)}`;
  const agent = await enrolledAgent(platform, name);
  const { jobs } = await ordered(name, [await target(agent, name)], more);
  const [job] = await workSoon(agent);
  const answer = await agent.send('POST', `jobs/${job!.job_id}/csr`, { lease_token: job!.lease_token, csr: makeCsr(names).csr });
  expect([answer.status, answer.json()['detail']]).toEqual([422, expect.stringMatching(reason)]);
  expect((await jobOf(jobs[0]!))['status']).toBe('awaiting_csr');
});

test('given a deployment that failed, it comes again later, and after the last attempt the certificate says why', async () => {
  const agent = await enrolledAgent(platform, 'failing');
  const { id } = await ordered('failing', [await target(agent, 'failing')]);
  let [item] = await certified(agent, 'failing');
  const fail = (one: Item) =>
    report(agent, one, { ok: false, failure_class: 'reload', detail: 'nginx -s reload: exit 1', rolled_back: true });
  for (const attempt of [1, 2, 3]) {
    expect(item).toMatchObject({ attempt });
    expect((await fail(item!)).json()['status']).toBe(attempt === 3 ? 'failed' : 'pending');
    if (attempt === 3) break;
    expect(await work(agent)).toEqual([]);
    const { rows } = await database.query(`UPDATE jobs SET run_at = now() WHERE id = $1 RETURNING last_error`, [item!.job_id]);
    expect(rows).toEqual([{ last_error: 'reload: nginx -s reload: exit 1' }]);
    // As if the time had come that the agent was told.
    await tellAgain(agent);
    [item] = await workSoon(agent);
  }
  expect(await get(id)).toMatchObject({ deployment: 'failed', last_error: 'reload: nginx -s reload: exit 1', health: 'good' });
  expect((await api(platform, 'GET', `/api/v1/agents/${agent.id}`)).json()).toMatchObject({
    status: 'degraded',
    status_reason: 'deployment_failed',
  });
  // By hand it is tried once more, and what is in place then is believed.
  const again = await api(platform, 'POST', `/api/v1/certificates/${id}/deploy`, {});
  expect([again.status, (again.json()['items'] as object[]).length]).toEqual([202, 1]);
  const [last] = await workSoon(agent);
  await report(agent, last!, { observed_fingerprint: await served(agent, last!) });
  expect(await get(id)).toMatchObject({ deployment: 'verified', last_error: null });
  expect((await api(platform, 'GET', `/api/v1/agents/${agent.id}`)).json()).toMatchObject({ status: 'online', status_reason: null });
  // Each attempt is counted once, however often it is reported.
  const counters = async (): Promise<unknown> => (await api(platform, 'GET', `/api/v1/targets/${last!.target_id}`)).json()['counters'];
  const before = { failed: 3, reload: 3, rolled_back: 3, succeeded: 1 };
  expect(await counters()).toEqual(before);
  await report(agent, last!, { observed_fingerprint: await served(agent, last!) });
  await api(platform, 'POST', `/api/v1/certificates/${id}/deploy`, {});
  const [same] = await workSoon(agent);
  await report(agent, same!, { observed_fingerprint: await served(agent, same!), idempotent: true });
  expect(await counters()).toEqual({ ...before, succeeded: 2, idempotent: 1 });
});

test('given a server that serves something else than was deployed, the deployment is not completed whatever the agent thinks', async () => {
  const agent = await enrolledAgent(platform, 'mistaken');
  const { id } = await ordered('mistaken', [await target(agent, 'mistaken')]);
  const [item] = await certified(agent, 'mistaken');
  expect((await report(agent, item!, { observed_fingerprint: 'ab'.repeat(32) })).json()['status']).toBe('pending');
  expect(await get(id)).toMatchObject({ deployment: 'failed', last_error: expect.stringContaining('verify') as string });
});

test('given an agent that lost its key, a new key and version become due at once', async () => {
  const agent = await enrolledAgent(platform, 'keyless');
  const { id } = await ordered('keyless', [await target(agent, 'keyless')]);
  const [item] = await certified(agent, 'keyless');
  expect((await report(agent, item!, { ok: false, failure_class: 'key_mismatch', detail: 'no key' })).json()['status']).toBe('failed');
  await run('renewalCheck');
  expect(await workSoon(agent)).toMatchObject([{ type: 'csr', certificate_id: id }]);
});

test('given a deployment that waits for its agent, no worker takes it, and of two looks at once one gets it (loops, case 9)', async () => {
  const agent = await enrolledAgent(platform, 'owner');
  await ordered('owned', [await target(agent, 'owned')]);
  const [asked] = await workSoon(agent);
  const csr = makeCsr(['owned.example.com']).csr;
  await agent.send('POST', `jobs/${asked!.job_id}/csr`, { lease_token: asked!.lease_token, csr });
  const waiting = async (): Promise<{ id: string; status: string; attempts: number } | undefined> =>
    (
      await database.query<{ id: string; status: string; attempts: number }>(
        `SELECT id, status, attempts FROM jobs WHERE type = 'deployment' AND agent_id = $1`,
        [agent.id],
      )
    ).rows[0];
  const job = await until('the certificate is issued', waiting);
  await run('jobProcessor');
  const { answer } = await invoke(platform, 'worker', {
    Records: [{ messageId: 'm-1', receiptHandle: 'r-1', body: JSON.stringify({ jobId: job.id }), attributes: {}, eventSource: 'aws:sqs' }],
  });
  expect(answer).toEqual({ batchItemFailures: [] });
  expect(await waiting()).toEqual({ id: job.id, status: 'pending', attempts: 0 });
  // The row is there before the agent is told of it.
  const found = await until('one of two looks has it', async () => {
    const looks = (await Promise.all([work(agent), work(agent)])).flat();
    return looks.length > 0 ? looks : undefined;
  });
  expect(found.map((item) => item.job_id)).toEqual([job.id]);
  expect(await work(agent)).toEqual([]);
});

test('given an agent that died while deploying, its job comes again when the lease ends, and the dead one’s report is refused', async () => {
  const agent = await enrolledAgent(platform, 'dying');
  await ordered('dying', [await target(agent, 'dying')]);
  const [first] = await certified(agent, 'dying');
  const lease = await agent.send('POST', `jobs/${first!.job_id}/lease`, { lease_token: first!.lease_token });
  expect(Date.parse(lease.json()['lease_expires_at'] as string)).toBeGreaterThan(Date.now() + 500_000);
  expect(await work(agent)).toEqual([]);
  await database.query(`UPDATE jobs SET lease_expires_at = now() WHERE id = $1`, [first!.job_id]);
  await tellAgain(agent);
  const [second] = await workSoon(agent);
  expect(second).toMatchObject({ job_id: first!.job_id, attempt: 2 });
  expect((await report(agent, first!, {})).status).toBe(409);
  expect((await report(agent, second!, { observed_fingerprint: await served(agent, second!) })).status).toBe(200);
  // In the last attempt nobody comes back: the loop says so.
  const again = await ordered('dying-2', [await target(agent, 'dying-2')]);
  const [third] = await certified(agent, 'dying-2');
  await database.query(`UPDATE jobs SET lease_expires_at = now() - interval '1 second', attempts = max_attempts WHERE id = $1`, [
    third!.job_id,
  ]);
  await run('jobTimeout');
  expect(await jobOf(third!.job_id)).toMatchObject({ status: 'failed', last_error: 'lease_expired' });
  expect(await get(again.id)).toMatchObject({ deployment: 'failed' });
});

test('given an answer with work that was lost, the agent that says what it is at gets it once more, and keeps what it has', async () => {
  const agent = await enrolledAgent(platform, 'unheard');
  await ordered('unheard', [await target(agent, 'unheard')]);
  const [kept] = await certified(agent, 'unheard');
  await ordered('unheard-too', [await target(agent, 'unheard-too')]);
  const [lost] = await workSoon(agent);
  const claimed = async (holding: readonly string[]): Promise<readonly Item[]> =>
    (await agent.send('POST', 'work', { holding })).json()['jobs'] as Item[];
  expect(await claimed([kept!.job_id, lost!.job_id])).toEqual([]);
  const [again, ...others] = await claimed([kept!.job_id]);
  expect([again?.job_id, others]).toEqual([lost!.job_id, []]);
  const csr = (lease_token: string): Promise<Answer> =>
    agent.send('POST', `jobs/${lost!.job_id}/csr`, { lease_token, csr: makeCsr(['unheard-too.example.com']).csr });
  expect((await csr(lost!.lease_token)).status).toBe(409);
  expect((await csr(again!.lease_token)).status).toBe(202);
  expect((await report(agent, kept!, {})).status).toBe(200);
});

test('given an agent that was not told of its work, the dispatcher tells it', async () => {
  const agent = await enrolledAgent(platform, 'untold');
  const { id } = await ordered('untold', [await target(agent, 'untold')]);
  await certified(agent, 'untold').then(([item]) => report(agent, item!, {}));
  expect(await work(agent)).toEqual([]);
  await database.query(`UPDATE certificate_holders SET renew_at = now() WHERE certificate_id = $1`, [id]);
  // As a writer leaves it who died after the commit.
  await database.query(
    `WITH j AS (INSERT INTO jobs (id, type, subject_id, agent_id, status) SELECT 'job-untold', 'csr', id, agent_id, 'awaiting_csr' FROM certificate_holders WHERE certificate_id = $1 RETURNING agent_id)
     INSERT INTO outbox (topic, subject_id, created_at) SELECT 'agent', agent_id, now() - interval '6 seconds' FROM j`,
    [id],
  );
  await run('notificationProcess');
  expect(await workSoon(agent)).toMatchObject([{ job_id: 'job-untold' }]);
  expect((await database.query(`SELECT id FROM outbox WHERE topic = 'agent' AND subject_id = $1`, [agent.id])).rows).toEqual([]);
});

test('given a certificate whose agent stays away for a day, its job fails, and a new one becomes due', async () => {
  const agent = await enrolledAgent(platform, 'absent');
  const { id, jobs } = await ordered('absent', [await target(agent, 'absent')]);
  await database.query(`UPDATE jobs SET state_entered_at = now() - interval '25 hours' WHERE id = $1`, [jobs[0]]);
  await run('jobTimeout');
  expect(await jobOf(jobs[0]!)).toMatchObject({ status: 'failed', last_error: 'csr_timeout' });
  expect(Date.parse((await get(id))['renew_at'] as string)).toBeGreaterThan(Date.now() + 5 * 3_600_000);
});

/** A word to the agent as the dispatcher gives it. */
async function tellAgain(agent: SignedAgent): Promise<void> {
  await database.query(`INSERT INTO outbox (topic, subject_id, created_at) VALUES ('agent', $1, now() - interval '6 seconds')`, [agent.id]);
  await run('notificationProcess');
}
