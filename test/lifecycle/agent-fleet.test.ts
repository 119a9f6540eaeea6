import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { agentStates } from '#adapters/dynamodb/agent-states.ts';
import { dynamodbOf, stateTable } from '../cloud.ts';
import { api, startPlatform, type Answer, type Platform } from '../platform.ts';
import { callsTo, certified } from './agent-jobs.ts';
import { enrol, enrolledAgent, hostFacts, makeToken, type SignedAgent } from './signed-agent.ts';

let platform: Platform;
let database: pg.Client;
beforeAll(async () => {
  platform = await startPlatform({ args: ['--config', JSON.stringify({ agents: { minimumVersion: '1.2.0' } })] });
  database = await platform.database();
});
afterAll(async () => {
  await database.end();
  await platform.stop();
});

const { get, jobOf, run, target, ordered } = callsTo(() => platform);

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
  await run('agentHealthCheck');
  expect(await state()).toBe('online');
  await silence(agent);
  await Promise.all([1, 2].map(() => run('agentHealthCheck')));
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

test('given a minimum version, an agent below it is degraded, found by that, and well again when it is new enough', async () => {
  const agent = await enrolledAgent(platform, 'old-version');
  const beat = (version: string, clock = Date.now()) =>
    agent.send('POST', 'heartbeat', { ...hostFacts(), version, clock: new Date(clock).toISOString() });
  const seen = async () => (await api(platform, 'GET', `/api/v1/agents/${agent.id}`)).json();
  expect((await beat('1.1.9')).status).toBe(200);
  expect(await seen()).toMatchObject({ status: 'degraded', status_reason: 'version_too_old', version: '1.1.9' });
  const { items } = (await api(platform, 'GET', '/api/v1/agents?status=degraded&limit=500')).json() as { items: { id: string }[] };
  expect(items.map(({ id }) => id)).toContain(agent.id);
  // The clock is the graver of the two.
  await beat('1.1.9', Date.now() - 600_000);
  expect(await seen()).toMatchObject({ status: 'degraded', status_reason: 'clock_skew' });
  await beat('1.1.9');
  expect(await seen()).toMatchObject({ status: 'degraded', status_reason: 'version_too_old' });
  await beat('1.10.0');
  expect(await seen()).toMatchObject({ status: 'online', status_reason: null });
});

/** Its last heartbeat is six minutes old. */
async function silence(agent: SignedAgent): Promise<void> {
  const states = agentStates(dynamodbOf(platform), stateTable(platform));
  const { publicKey } = (await states.read(agent.id))!;
  expect(await states.beat(agent.id, publicKey, Date.now() - 360_000)).toMatchObject({ wasAway: false });
}
