import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPlatform, until, type Platform } from '../platform.ts';
import { callsTo, work } from './agent-jobs.ts';
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

const { run, target, ordered } = callsTo(() => platform);

/** An agent with so many certificates that wait for their renewal alone. */
async function holder(name: string, count: number): Promise<SignedAgent> {
  const agent = await enrolledAgent(platform, name);
  for (let n = 0; n < count; n++) await ordered(`${name}-${n}`, [await target(agent, `${name}-${n}`)]);
  await database.query(`UPDATE jobs SET status = 'cancelled', completed_at = now() WHERE agent_id = $1`, [agent.id]);
  return agent;
}
const fallDue = async (agents: readonly SignedAgent[]): Promise<void> => {
  const ids = agents.map(({ id }) => id);
  await database.query(`UPDATE certificate_holders SET renew_at = '2026-01-01' WHERE agent_id = ANY ($1)`, [ids]);
  await run('renewalCheck');
};
/** Whose turn comes when, in milliseconds after the jobs were made. */
const turns = async (agents: readonly SignedAgent[]): Promise<{ agent: string; ms: number }[]> => {
  const { rows } = await database.query<{ agent: string; ms: number }>(
    `SELECT agent_id AS agent, round(1000 * extract(epoch FROM run_at - created_at))::int AS ms FROM jobs
     WHERE type = 'csr' AND status = 'awaiting_csr' AND agent_id = ANY ($1) ORDER BY run_at`,
    [agents.map(({ id }) => id)],
  );
  return rows;
};
const asked = async (agent: SignedAgent): Promise<{ jobs: object[]; next_poll_seconds: number }> =>
  (await agent.send('POST', 'work', {})).json() as { jobs: object[]; next_poll_seconds: number };
const putOff = (agents: readonly SignedAgent[], seconds: number) =>
  database.query(`UPDATE jobs SET run_at = now() + make_interval(secs => $2) WHERE status = 'awaiting_csr' AND agent_id = ANY ($1)`, [
    agents.map(({ id }) => id),
    seconds,
  ]);

test('given renewals of many agents that fall due at one instant, ten a second are given out, those of an agent together and each once', async () => {
  const wave: SignedAgent[] = [];
  for (const name of ['wave-a', 'wave-b', 'wave-c']) wave.push(await holder(name, 2));
  await fallDue(wave);
  const first = await turns(wave);
  expect(first.map(({ ms }) => ms)).toEqual(Array.from({ length: 6 }, (_, n) => n * 100));
  const inTurn = wave.map(({ id }) => id).sort();
  expect(first.map(({ agent }) => agent)).toEqual(inTurn.flatMap((id) => [id, id]));

  // Six wait still: who comes now is behind them.
  await putOff(wave, 3600);
  const late = await holder('wave-late', 2);
  await fallDue([late]);
  expect((await turns([late])).map(({ ms }) => ms)).toEqual([600, 700]);

  await putOff(wave, 0);
  for (const agent of [...wave, late]) {
    const given: string[] = [];
    await until('the agent was given its jobs', async () => {
      given.push(...(await work(agent)).map(({ job_id }) => job_id));
      return given.length >= 2 || undefined;
    });
    expect(new Set(given).size).toBe(2);
  }
});

test('given a turn that comes later, the agent hears to come then, before its next look would be', async () => {
  const agent = await holder('in-turn', 1);
  await fallDue([agent]);
  await putOff([agent], 20);
  for (let n = 0; n < 2; n++) {
    const { jobs, next_poll_seconds } = await asked(agent);
    expect(jobs).toEqual([]);
    expect(next_poll_seconds).toBeGreaterThan(0);
    expect(next_poll_seconds).toBeLessThanOrEqual(20);
  }
  await putOff([agent], 0);
});

test('given a job that is due and not to be had, the agent comes at its next look, and not at once again', async () => {
  const agent = await holder('in-vain', 1);
  await fallDue([agent]);
  await database.query('BEGIN');
  await database.query(`SELECT FROM jobs WHERE agent_id = $1 FOR UPDATE`, [agent.id]);
  expect(await asked(agent)).toMatchObject({ jobs: [], next_poll_seconds: 30 });
  await database.query('ROLLBACK');
  expect((await asked(agent)).jobs).toHaveLength(1);
});
