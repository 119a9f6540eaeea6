import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Database } from '#adapters/postgres/database.ts';
import { jobStore } from '#adapters/postgres/jobs.ts';
import type { ClaimedJob } from '#domain/job/job.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { api, startPlatform, until, type Platform } from '../platform.ts';

let platform: Platform;
let database: pg.Client;
let worker: pg.Client;
beforeAll(async () => {
  platform = await startPlatform();
  [database, worker] = await Promise.all([platform.database(), platform.database()]);
  // A revocation is made to wait between its statement and its commit.
  await database.query(`
    CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(99); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER wait_for_test AFTER INSERT ON revocations DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_for_test()`);
});
afterAll(async () => {
  await Promise.all([database.end(), worker.end()]);
  await platform.stop();
});

const count = async (sql: string): Promise<number> =>
  (await database.query<{ n: number }>(`SELECT count(*)::int AS n ${sql}`)).rows[0]?.n ?? 0;

test('a revocation that joins a CRL job which is ending is never left off the list: the job ends after it, and finds the list due', async () => {
  const ordered = await api(platform, 'POST', '/api/v1/certificates', { name: 'joins', csr: makeCsr(['joins.example.com']).csr });
  const { id } = ordered.json()['certificate'] as { id: string };
  await until('it is issued', async () => {
    const { state } = (await api(platform, 'GET', `/api/v1/certificates/${id}`)).json();
    return state === 'active' ? true : undefined;
  });
  // A worker has looked at the list for the first time and is about to complete its job.
  const job = { id: 'job-ending', leaseToken: 'token' } as ClaimedJob;
  await database.query(
    `INSERT INTO jobs (id, type, subject_id, status, attempts, max_attempts, lease_token, lease_expires_at) VALUES ($1, 'crl', 'issuing-1', 'running', 1, 10, $2, now() + interval '1 hour')`,
    [job.id, job.leaseToken],
  );
  await database.query('SELECT pg_advisory_lock(99)');
  const revoking = api(platform, 'POST', `/api/v1/certificates/${id}/revoke`, { reason: 'superseded' });
  const waitsFor = (kind: string): Promise<number> =>
    count(`FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = '${kind}'`);
  await until('the revocation is about to commit', async () => ((await waitsFor('advisory')) === 1 ? true : undefined));

  const query: Database['query'] = async ({ text }, values) => (await worker.query<never>(text, values as unknown[])).rows;
  const jobs = jobStore({ query } as Database);
  let ended = false;
  const dueAfterwards = jobs.complete(job).then(async (completed) => {
    ended = true;
    return [completed, await count(`FROM crls WHERE ca_id = 'issuing-1' AND published_epoch < status_epoch`)];
  });
  await until('the worker has ended its job, or waits for the revocation', async () =>
    ended || (await waitsFor('transactionid')) + (await waitsFor('tuple')) > 0 ? true : undefined,
  );
  await database.query('SELECT pg_advisory_unlock(99)');
  expect(await dueAfterwards).toEqual([true, 1]);
  expect((await revoking).status).toBe(200);
});
