import { generateKeyPairSync } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agentStates } from '#adapters/dynamodb/agent-states.ts';
import { dynamodbOf, invoke, stateTable } from '../cloud.ts';
import { api, startPlatform, until, type Answer, type Platform } from '../platform.ts';
import { certified, makeTarget, order, report, served, work, workSoon, type Item } from './agent-jobs.ts';
import { makeCsr } from './csr.ts';
import { enrol, enrolledAgent, hostFacts, makeToken, signedAgent, type SignedAgent } from './signed-agent.ts';

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

const get = async (id: string): Promise<Record<string, unknown>> => (await api(platform, 'GET', `/api/v1/certificates/${id}`)).json();
const jobOf = async (id: string): Promise<Record<string, unknown>> => (await api(platform, 'GET', `/api/v1/jobs/${id}`)).json();
const run = (name: string, loop: string): Promise<unknown> => invoke(platform, name, { loop, run: `test-${Math.random()}` });

const target = (agent: SignedAgent, name: string): Promise<string> => makeTarget(platform, agent, name);
const ordered = (name: string, targets: string[], more: object = {}): Promise<{ id: string; jobs: string[] }> =>
  order(platform, name, targets, more);

test('given a token for one use, one host becomes an agent with it and no second; the token’s secret is kept nowhere', async () => {
  const { id, token } = await makeToken(platform, { description: 'one' });
  const answers = await Promise.all(['once-a', 'once-b', 'once-c'].map((name) => enrol(platform, name, token)));
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401]);
  const { rows } = await database.query('SELECT t.*, encode(token_sha256, $2) AS digest FROM agent_enrolment_tokens t WHERE id = $1', [
    id,
    'hex',
  ]);
  expect(JSON.stringify(rows)).not.toContain(token.split('_')[2]);
  const listed = (await api(platform, 'GET', '/api/v1/agent-enrolment-tokens')).text;
  expect(listed).toContain(token.slice(0, 11));
  expect(listed).not.toContain(token);
});

test.each([
  ['a name that the pattern does not admit', { name_pattern: 'web-*' }, 'db-1', 403],
  ['a name that it admits', { name_pattern: 'web-*' }, 'web-1', 201],
] as const)('given a token and %s, the answer is right', async (_, more, name, status) => {
  expect((await enrol(platform, name, (await makeToken(platform, more)).token)).status).toBe(status);
});

test('given a token that is expired, revoked or made up, nobody is enrolled; a refusal spends no use', async () => {
  const expired = await makeToken(platform);
  await database.query(`UPDATE agent_enrolment_tokens SET expires_at = now() WHERE id = $1`, [expired.id]);
  const revoked = await makeToken(platform);
  expect((await api(platform, 'DELETE', `/api/v1/agent-enrolment-tokens/${revoked.id}`)).json()['revoked_at']).not.toBeNull();
  for (const token of [expired.token, revoked.token, 'et_00000000_made-up', undefined])
    expect((await enrol(platform, 'refused', token)).status).toBe(401);
  const good = await makeToken(platform, { name_pattern: 'spent-*' });
  expect((await enrol(platform, 'other', good.token)).status).toBe(403);
  expect((await enrol(platform, 'spent-1', good.token)).status).toBe(201);
});

test('given a key that the host does not have, or one that is an agent’s already, it is not enrolled', async () => {
  const { token } = await makeToken(platform, { max_uses: 3 });
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  expect((await enrol(platform, 'not-mine', token, keys, stranger.privateKey)).status).toBe(401);
  expect((await enrol(platform, 'mine', token, keys)).status).toBe(201);
  expect((await enrol(platform, 'mine-too', token, keys)).status).toBe(409);
  expect((await enrol(platform, 'mine', token)).status).toBe(409);
});

test('given a token that names an agent, that agent comes back under a new key, and its former key is worth nothing', async () => {
  const agent = await enrolledAgent(platform, 'reborn');
  expect((await agent.send('POST', 'heartbeat', hostFacts())).status).toBe(200);
  const { token } = await makeToken(platform, { agent: agent.id });
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  expect((await enrol(platform, 'someone-else', token, keys)).status).toBe(403);
  expect((await enrol(platform, 'reborn', token, keys)).json()['agent_id']).toBe(agent.id);
  expect((await agent.send('POST', 'heartbeat', hostFacts())).status).toBe(401);
  expect((await signedAgent(platform, agent.id, 'reborn', keys.privateKey).send('POST', 'heartbeat', hostFacts())).status).toBe(200);
});

test('given a signature of another agent, of an old time or of nobody, every agent route refuses', async () => {
  const [one, two] = [await enrolledAgent(platform, 'guard-1'), await enrolledAgent(platform, 'guard-2')];
  expect((await one.send('POST', 'heartbeat', hostFacts())).status).toBe(200);
  expect((await one.send('POST', 'heartbeat', hostFacts(), { as: two.id })).status).toBe(403);
  expect((await one.send('POST', 'work', {}, { createdAt: Math.floor(Date.now() / 1000) - 301 })).status).toBe(401);
  const forged = signedAgent(platform, two.id, 'guard-2', one.privateKey);
  for (const [method, path] of [
    ['POST', 'heartbeat'],
    ['POST', 'work'],
    ['POST', 'jobs/job-1/lease'],
    ['POST', 'jobs/job-1/csr'],
    ['POST', 'jobs/job-1/report'],
    ['GET', 'certificates/cert-1'],
  ] as const)
    expect([path, (await forged.send(method, path)).status]).toEqual([path, 401]);
  // A key of the control plane is no agent’s.
  expect((await api(platform, 'POST', `/api/v1/agents/${one.id}/work`, {})).status).toBe(403);
});

test('given an agent without work, its polls leave PostgreSQL alone', async () => {
  const agent = await enrolledAgent(platform, 'idle');
  await work(agent);
  await agent.send('POST', 'heartbeat', hostFacts());
  const began = (await database.query<{ now: Date }>('SELECT now()')).rows[0]!.now;
  for (let i = 0; i < 5; i++) {
    expect(await work(agent)).toEqual([]);
    const beat = await agent.send('POST', 'heartbeat', hostFacts());
    expect(beat.json()).toMatchObject({ next_poll_seconds: 30, next_heartbeat_seconds: 60 });
  }
  // The function that answers agents asked for nothing at all, so that the database of an idle fleet sleeps.
  const { rows } = await database.query(`SELECT query FROM pg_stat_activity WHERE query_start > $1 AND application_name = 'api'`, [began]);
  expect(rows).toEqual([]);
});

test.each([
  ['of an unknown type', { type: 'abacus' }, 'type'],
  [
    'with a member that nobody knows',
    { config: { cert_path: '/etc/a.crt', key_path: '/etc/a.key', verify: 'off', colour: 'red' } },
    'colour',
  ],
  ['with a path that climbs', { config: { cert_path: '/etc/../a.crt', key_path: '/etc/a.key', verify: 'off' } }, 'cert_path'],
  ['without a word about verification', { config: { cert_path: '/etc/a.crt', key_path: '/etc/a.key' } }, 'verify'],
  ['for an agent that does not exist', { agent: 'agent-none' }, 'agent'],
])('given a target %s, it is refused by name', async (_, more, named) => {
  const agent = await enrolledAgent(platform, `targets-${named}`);
  const config = { cert_path: '/etc/a.crt', key_path: '/etc/a.key', verify: 'off' };
  const answer = await api(platform, 'POST', '/api/v1/targets', { name: 'refused', type: 'nginx', agent: agent.id, config, ...more });
  expect([answer.status, answer.json()['detail']]).toEqual([400, expect.stringContaining(named)]);
});

test('given two people who change a target, the second hears of the first', async () => {
  const agent = await enrolledAgent(platform, 'changed');
  const id = await target(agent, 'changed');
  const change = (version: number) =>
    api(
      platform,
      'PUT',
      `/api/v1/targets/${id}`,
      { name: 'changed', config: { cert_path: '/etc/b.crt', key_path: '/etc/b.key', verify: 'off' } },
      { 'if-match': `"v${version}"` },
    );
  expect([(await change(1)).status, (await change(1)).status]).toEqual([200, 412]);
  const ended = (await api(platform, 'DELETE', `/api/v1/targets/${id}?reason=gone`)).json();
  expect(ended).toMatchObject({ enabled: false, retired_reason: 'gone', version: 3 });
  expect((await change(3)).status).toBe(409);
});

test('given a fleet, its lists go page by page in each order, and a cursor is good for its own list only', async () => {
  const agent = await enrolledAgent(platform, 'listed-b');
  await enrolledAgent(platform, 'listed-a');
  for (const name of ['one', 'two', 'three']) await target(agent, name);
  for (let i = 0; i < 3; i++) await makeToken(platform, { agent: agent.id, ttl_seconds: 3600 - i });
  const list = async (path: string): Promise<{ items: { name?: string }[]; next_cursor: string | null }> =>
    (await api(platform, 'GET', `/api/v1/${path}`)).json() as never;
  const walk = async (path: string): Promise<{ name?: string }[]> => {
    const { items, next_cursor: next } = await list(path);
    return next === null ? items : [...items, ...(await walk(`${path.replace(/&cursor=.*/, '')}&cursor=${next}`))];
  };
  expect((await walk(`targets?agent=${agent.id}&limit=1`)).map(({ name }) => name)).toEqual(['three', 'two', 'one']);
  expect((await walk(`targets?agent=${agent.id}&limit=2&sort=name`)).map(({ name }) => name)).toEqual(['one', 'three', 'two']);
  expect(await list('targets?type=iis')).toEqual({ items: [], next_cursor: null });
  expect((await walk('agents?limit=2')).map(({ name }) => name).slice(0, 2)).toEqual(['listed-a', 'listed-b']);
  expect((await walk('agents?limit=1&sort=name')).map(({ name }) => name).join()).toContain('listed-a,listed-b');
  expect((await list('agents?name=listed-b&fields=name')).items).toEqual([{ name: 'listed-b' }]);
  const tokens = `agent-enrolment-tokens?agent=${agent.id}&limit=1`;
  expect((await walk(`${tokens}&sort=expires_at`)).length).toBe(3);
  expect((await walk(`deployments?agent=${agent.id}&limit=1`)).length).toBe(0);
  const { next_cursor: cursor } = await list(tokens);
  expect((await api(platform, 'GET', `/api/v1/targets?agent=${agent.id}&limit=1&cursor=${cursor}`)).status).toBe(400);
});

test('given groups of agents, who belongs to them is judged by what agents say, and by whom people put there or kept out', async () => {
  const post = (path: string, body: object): Promise<Answer> => api(platform, 'POST', `/api/v1/${path}`, body);
  const group = async (body: object): Promise<string> => {
    const answer = await post('agent-groups', body);
    expect([answer.status, answer.json()]).toEqual([201, expect.objectContaining(body)]);
    return answer.json()['id'] as string;
  };
  const names = async (id: string, more = ''): Promise<unknown[]> => {
    const { items } = (await api(platform, 'GET', `/api/v1/agent-groups/${id}/members?limit=500${more}`)).json() as {
      items: { name: string }[];
    };
    return items.map(({ name }) => name).filter((name) => name.startsWith('grouped'));
  };
  const [one, two, three] = [
    await enrolledAgent(platform, 'grouped-1'),
    await enrolledAgent(platform, 'grouped-2'),
    await enrolledAgent(platform, 'grouped-3'),
  ];
  await one.send('POST', 'heartbeat', { ...hostFacts(), ip_address: '10.1.2.3', version: '2.5.0' });
  await two.send('POST', 'heartbeat', { ...hostFacts(), ip_address: '2001:db8::7', version: '2.5.1' });
  await three.send('POST', 'heartbeat', { ...hostFacts(), ip_address: '10.9.9.9', version: '3.0.0' });
  const near = await group({ name: 'near', match_ip_cidr: '10.1.0.0/16' });
  const six = await group({ name: 'six', match_ip_cidr: '2001:db8::/32', match_os: 'linux' });
  const second = await group({ name: 'second', match_version: '>=2.5 <3' });
  const hand = await group({ name: 'by hand' });
  const all = [near, six, second, hand];
  expect(await Promise.all(all.map((id) => names(id)))).toEqual([['grouped-1'], ['grouped-2'], ['grouped-1', 'grouped-2'], []]);
  // Words of people, who win; and the last of them.
  const say = (id: string, agent: SignedAgent, method: string, body?: object): Promise<Answer> =>
    api(platform, method, `/api/v1/agent-groups/${id}/members/${agent.id}`, body);
  expect((await say(hand, three, 'PUT', {})).json()).toMatchObject({ included: [three.id], excluded: [], version: 2 });
  expect((await say(second, one, 'PUT', { mode: 'exclude' })).json()).toMatchObject({ included: [], excluded: [one.id] });
  expect([await names(hand), await names(second)]).toEqual([['grouped-3'], ['grouped-2']]);
  const [member] = (await api(platform, 'GET', `/api/v1/agent-groups/${hand}/members`)).json()['items'] as object[];
  expect(member).toMatchObject({ agent: three.id, membership: 'included', ip_address: '10.9.9.9', version: '3.0.0' });
  expect((await say(second, one, 'DELETE')).status).toBe(200);
  expect(await names(second)).toEqual(['grouped-1', 'grouped-2']);
  expect((await api(platform, 'PUT', `/api/v1/agent-groups/${hand}/members/agent-nobody`, {})).status).toBe(404);
  expect((await api(platform, 'GET', '/api/v1/agent-groups/ag-none/members')).status).toBe(404);
  for (const bad of [{ match_ip_cidr: '10.1.2.3/8' }, { match_ip_cidr: '10.0.0.0' }, { match_version: 'newest' }, { match_os: '' }])
    expect([bad, (await post('agent-groups', { name: 'bad', ...bad })).status]).toEqual([bad, 400]);
  // Page by page.
  const page = (await api(platform, 'GET', `/api/v1/agent-groups/${second}/members?limit=1`)).json();
  expect(await names(second, `&cursor=${String(page['next_cursor'])}`)).toEqual(['grouped-2']);
  // A token puts who comes by it into a group, and a deployment can be for a group.
  const { token } = await makeToken(platform, { group: hand });
  await enrol(platform, 'grouped-4', token);
  expect(await names(hand)).toEqual(['grouped-3', 'grouped-4']);
  expect((await post('agent-enrolment-tokens', { group: 'ag-none' })).status).toBe(400);
  const { id } = await ordered('grouped', [await target(one, 'grouped-1'), await target(two, 'grouped-2')]);
  for (const agent of [one, two]) await certified(agent, 'grouped');
  const deployTo = (to: string): Promise<Answer> => post(`certificates/${id}/deploy`, { group: to });
  expect((await deployTo(near)).json()['items']).toHaveLength(1);
  expect((await deployTo(second)).json()['items']).toHaveLength(2);
  expect([(await deployTo(hand)).status, (await deployTo('ag-none')).status]).toEqual([409, 400]);
  // Its end: tokens lose it, agents stay.
  expect((await api(platform, 'DELETE', `/api/v1/agent-groups/${hand}`, undefined, { 'if-match': '*' })).status).toBe(200);
  expect((await api(platform, 'GET', `/api/v1/agents/${three.id}`)).status).toBe(200);
});

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
  await Promise.all([run('loop-renewal-check', 'renewalCheck'), run('loop-renewal-check', 'renewalCheck')]);
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
  await run('loop-renewal-check', 'renewalCheck');
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
  await run('loop-job-processor', 'jobProcessor');
  const { answer } = await invoke(platform, 'worker', {
    Records: [{ messageId: 'm-1', receiptHandle: 'r-1', body: JSON.stringify({ jobId: job.id }), attributes: {}, eventSource: 'aws:sqs' }],
  });
  expect(answer).toEqual({ batchItemFailures: [] });
  expect(await waiting()).toEqual({ id: job.id, status: 'pending', attempts: 0 });
  const looks = await Promise.all([work(agent), work(agent)]);
  expect(looks.flat().map((item) => item.job_id)).toEqual([job.id]);
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
  await run('loop-job-timeout', 'jobTimeout');
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

test('given an agent with targets, it is retired only by force and with a reason; then each of its calls is 410', async () => {
  const agent = await enrolledAgent(platform, 'leaving');
  const { id, jobs } = await ordered('leaving', [await target(agent, 'leaving')]);
  const retire = (body: object) => api(platform, 'POST', `/api/v1/agents/${agent.id}/retire`, body);
  const refused = await retire({});
  expect([refused.status, refused.json()['detail']]).toEqual([409, expect.stringContaining('1 targets, 1 certificates and 1 open jobs')]);
  expect((await retire({ force: true })).status).toBe(400);
  expect((await retire({ force: true, reason: 'the host is gone' })).json()).toMatchObject({ retired_reason: 'the host is gone' });
  expect((await retire({})).status).toBe(200);
  for (const [method, path] of [
    ['POST', 'heartbeat'],
    ['POST', 'work'],
  ] as const)
    expect((await agent.send(method, path, path === 'work' ? {} : hostFacts())).status).toBe(410);
  expect((await jobOf(jobs[0]!))['status']).toBe('cancelled');
  expect((await api(platform, 'GET', `/api/v1/targets?agent=${agent.id}`)).json()['items']).toMatchObject([{ enabled: false }]);
  expect(await get(id)).toMatchObject({ renew_at: null });
  // The name is free again.
  await enrolledAgent(platform, 'leaving');
});

test('given an agent that falls silent, it is offline after five minutes, once, and online with its next heartbeat', async () => {
  const agent = await enrolledAgent(platform, 'silent');
  const state = async (): Promise<unknown> => (await api(platform, 'GET', `/api/v1/agents/${agent.id}`)).json()['status'];
  await invoke(platform, 'loop-agent-health', { loop: 'agentHealthCheck', run: `test-${Math.random()}` });
  expect(await state()).toBe('online');
  await silence(agent);
  await Promise.all([1, 2].map(() => run('loop-agent-health', 'agentHealthCheck')));
  expect(await state()).toBe('offline');
  await agent.send('POST', 'heartbeat', hostFacts());
  expect(await state()).toBe('online');
  const { rows } = await database.query(
    `SELECT details ->> 'to' AS "to", count(*)::int AS n FROM audit_events WHERE action = 'agent_state' AND resource_id = $1 GROUP BY 1 ORDER BY 1`,
    [agent.id],
  );
  expect(rows).toEqual([
    { to: 'offline', n: 1 },
    { to: 'online', n: 1 },
  ]);
});

test('given a host whose clock is ten minutes off, it is degraded until the clock is right', async () => {
  const agent = await enrolledAgent(platform, 'late-clock');
  const beat = (ms: number) => agent.send('POST', 'heartbeat', { ...hostFacts(), clock: new Date(Date.now() + ms).toISOString() });
  const seen = async () => (await api(platform, 'GET', `/api/v1/agents/${agent.id}`)).json();
  await beat(-600_000);
  expect(await seen()).toMatchObject({ status: 'degraded', status_reason: 'clock_skew', clock_skew_seconds: -600 });
  await beat(0);
  expect(await seen()).toMatchObject({ status: 'online', status_reason: null });
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
  await run('loop-outbox-dispatch', 'notificationProcess');
  expect(await workSoon(agent)).toMatchObject([{ job_id: 'job-untold' }]);
  expect((await database.query(`SELECT id FROM outbox WHERE topic = 'agent' AND subject_id = $1`, [agent.id])).rows).toEqual([]);
});

test('given a certificate whose agent stays away for a day, its job fails, and a new one becomes due', async () => {
  const agent = await enrolledAgent(platform, 'absent');
  const { id, jobs } = await ordered('absent', [await target(agent, 'absent')]);
  await database.query(`UPDATE jobs SET state_entered_at = now() - interval '25 hours' WHERE id = $1`, [jobs[0]]);
  await run('loop-job-timeout', 'jobTimeout');
  expect(await jobOf(jobs[0]!)).toMatchObject({ status: 'failed', last_error: 'csr_timeout' });
  expect(Date.parse((await get(id))['renew_at'] as string)).toBeGreaterThan(Date.now() + 5 * 3_600_000);
});

/** A word to the agent as the dispatcher gives it. */
async function tellAgain(agent: SignedAgent): Promise<void> {
  await database.query(`INSERT INTO outbox (topic, subject_id, created_at) VALUES ('agent', $1, now() - interval '6 seconds')`, [agent.id]);
  await run('loop-outbox-dispatch', 'notificationProcess');
}

/** Its last heartbeat is six minutes old. */
async function silence(agent: SignedAgent): Promise<void> {
  const states = agentStates(dynamodbOf(platform), stateTable(platform));
  const { publicKey } = (await states.read(agent.id))!;
  expect(await states.beat(agent.id, publicKey, Date.now() - 360_000)).toMatchObject({ wasAway: false });
}
