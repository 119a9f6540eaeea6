import { generateKeyPairSync } from 'node:crypto';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api, startPlatform, type Platform } from '../platform.ts';
import { work } from './agent-jobs.ts';
import { enrol, enrolledAgent, hostFacts, makeToken, signedAgent } from './signed-agent.ts';

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

test('given a token for one use, one host becomes an agent with it and no second; the token’s secret is kept nowhere', async () => {
  const { id, token } = await makeToken(platform, { description: 'one' });
  const answers = await Promise.all(['once-a', 'once-b', 'once-c'].map((name) => enrol(platform, name, token)));
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401]);
  const { rows } = await database.query('SELECT t.*, encode(token_sha256, $2) AS digest FROM agent_enrolment_tokens t WHERE id = $1', [
    id,
    'hex',
  ]);
  // Cut by length: the secret itself may begin with an underscore.
  expect(JSON.stringify(rows)).not.toContain(token.slice('et_00000000_'.length));
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
