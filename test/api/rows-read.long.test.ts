import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loops } from '#domain/schedule/loops.ts';
import { runToEnd } from '../cloud.ts';
import { acmeClient, freshName, startResponder, type Responder } from '../acme/client.ts';
import { certified, makeTarget, order, report, served, work } from '../lifecycle/agent-jobs.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { enrolledAgent, hostFacts } from '../lifecycle/signed-agent.ts';
import { fillControlPlane } from '../load/control-plane-rows.ts';
import { api, startPlatform, until, type Platform } from '../platform.ts';

// What people, clients, agents and loops ask for, on tables that are not small: PostgreSQL itself counts the rows that it reads for that.
let platform: Platform;
let responder: Responder;
let database: pg.Client;
beforeAll(async () => {
  responder = await startResponder();
  platform = await startPlatform({ args: ['--door-http01-port', String(responder.port)] });
  database = await platform.database();
  await fillControlPlane(database, { certificates: rows, auditEvents: rows, sealed: true });
  // What was filled in may be work for them, once.
  await everyLoop();
  await everyLoop();
  await database.query('ANALYZE');
}, 300_000);
afterAll(async () => {
  await database.end();
  await platform.stop();
  await responder.stop();
});

const rows = 20_000;
const everyLoop = async (): Promise<void> => {
  for (const { name } of loops) await runToEnd(platform, name);
};

/** Rows read of each table by a scan of it, and by its indexes, since the beginning; a backend says so at last when it ends. */
async function rowsRead(): Promise<ReadonlyMap<string, number>> {
  await until(
    'all others have ended',
    async () => {
      const { rows: others } = await database.query(
        `SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = current_database()`,
      );
      return others.length === 0 ? true : undefined;
    },
    180,
  );
  const { rows: tables } = await database.query<{ name: string; read: string }>(
    `SELECT t.relname AS name, (t.seq_tup_read + coalesce((SELECT sum(i.idx_tup_read) FROM pg_stat_user_indexes i WHERE i.relid = t.relid), 0))::text AS read
     FROM pg_stat_user_tables t`,
  );
  return new Map(tables.map(({ name, read }) => [name, Number(read)]));
}

const scenarios: Readonly<Record<string, () => Promise<void>>> = {
  async 'a certificate is ordered, renewed and revoked by REST'() {
    const { csr } = makeCsr(['rows.example.com']);
    const made = await api(platform, 'POST', '/api/v1/certificates', { name: 'rows', csr });
    const { id } = made.json()['certificate'] as { id: string };
    const serial = async (): Promise<unknown> => (await api(platform, 'GET', `/api/v1/certificates/${id}`)).json()['serial'];
    const first = await until('it is issued', async () => (await serial()) ?? undefined);
    expect((await api(platform, 'POST', `/api/v1/certificates/${id}/renew`, {})).status).toBe(202);
    await until('it is renewed', async () => ((await serial()) === first ? undefined : true));
    expect((await api(platform, 'POST', `/api/v1/certificates/${id}/revoke`, { reason: 'superseded' })).status).toBeLessThan(300);
  },
  async 'a certificate is issued by ACME'() {
    const client = await acmeClient(platform, { responder });
    await client.register();
    await client.issue(freshName());
  },
  async 'an agent enrols, beats, makes a key and deploys'() {
    const agent = await enrolledAgent(platform, 'rows');
    expect((await agent.send('POST', 'heartbeat', hostFacts())).status).toBe(200);
    const target = await makeTarget(platform, agent, 'rows-agent');
    await order(platform, 'rows-agent', [target]);
    const [item] = await certified(agent, 'rows-agent');
    expect((await report(agent, item!, { observed_fingerprint: await served(agent, item!) })).json()['status']).toBe('completed');
    await work(agent);
  },
  'every loop runs': everyLoop,
};

test.each(Object.entries(scenarios))('when %s, then no table is read as a whole', async (_, scenario) => {
  const before = await rowsRead();
  await scenario();
  const after = await rowsRead();
  const read = [...after].map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const);
  // A row may be met by several statements and by several indexes, and the minute's loops run too; a table of this size that is read once is over it.
  expect(read.filter(([, count]) => count >= rows)).toEqual([]);
});
