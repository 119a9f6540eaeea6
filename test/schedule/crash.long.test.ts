import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { invoke, runToEnd } from '../cloud.ts';
import { startPrivateCa, type Behaviour, type PrivateCa } from '../fakes/private-ca.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { childrenOf } from '../process-tree.ts';
import { api, startPlatform, until, type Platform } from '../platform.ts';

let platform: Platform;
let database: pg.Client;
let ca: PrivateCa;
let issuer: string;
const behaviour: Behaviour = {};

// Two copies and no reservation: what holds here rests on rows alone.
beforeAll(async () => {
  ca = await startPrivateCa(behaviour);
  platform = await startPlatform({ args: ['--copies', '2'], env: { AWS_ENDPOINT_URL_ACM_PCA: ca.url } });
  database = await platform.database();
  const made = await api(platform, 'POST', '/api/v1/issuers', { name: 'Private', type: 'aws-private-ca', config: { caArn: ca.arn } });
  issuer = (made.json() as { id: string }).id;
});
afterEach(() => {
  for (const key of Object.keys(behaviour) as (keyof Behaviour)[]) behaviour[key] = undefined;
});
afterAll(async () => {
  await database.end();
  await platform.stop();
  await ca.stop();
});

interface Row {
  status: string;
  attempts: number;
  last_error: string | null;
}
const job = async (id: string): Promise<Row> =>
  (await database.query<Row>('SELECT status, attempts, last_error FROM jobs WHERE id = $1', [id])).rows[0]!;
const order = async (name: string): Promise<{ id: string; job: string }> => {
  const answer = await api(platform, 'POST', '/api/v1/certificates', { name, issuer, csr: makeCsr([`${name}.example.com`]).csr });
  const { certificate, job: jobId } = answer.json() as unknown as { certificate: { id: string }; job: string };
  return { id: certificate.id, job: jobId };
};
/** Kills every copy that runs functions now; the platform starts new ones. */
const killCopies = (): void => {
  for (const pid of childrenOf(platform.instance.pid)) if (pid !== platform.instance.postgres) process.kill(pid, 'SIGKILL');
};
const platformLog = (): string => readFileSync(join(platform.home, 'log', 'platform.log'), 'utf8');
const sweep = async (): Promise<void> => {
  await database.query(`UPDATE jobs SET lease_expires_at = now() - interval '1 second' WHERE status = 'running'`);
  await until('the new copies answer', async () => {
    // Who was killed may have held it.
    await database.query(`UPDATE loop_leases SET expires_at = now() WHERE loop = 'jobProcessor'`);
    const { error } = await invoke(platform, 'loop-job-processor', { loop: 'jobProcessor', run: `test-${Math.random()}` }).catch(() => ({
      error: 'gone',
    }));
    return error === undefined ? true : undefined;
  });
};
const versions = async (id: string): Promise<{ serial: string; orphan: boolean }[]> =>
  (await database.query<{ serial: string; orphan: boolean }>('SELECT serial, orphan FROM certificates WHERE managed_id = $1', [id])).rows;

/** What the CA signed for a name. */
const signed = (name: string): readonly { serial: string }[] => ca.log.filter((issuance) => issuance.names.includes(`${name}.example.com`));

test('a CA elsewhere certifies through intent, order and certificate; while it is at work nobody waits for it', async () => {
  behaviour.inProgress = 2;
  const { id, job: jobId } = await order('patient');
  const waiting = await until('it waits for the CA', async () => {
    // It is pending before it is begun, too: what counts is the row after the CA was asked.
    if (!ca.requests['GetCertificate']) return undefined;
    const seen = await job(jobId);
    return seen.status === 'pending' ? seen : undefined;
  });
  expect(waiting.attempts).toBe(0);
  await until('it is issued', async () => {
    await database.query(`UPDATE jobs SET run_at = now() - interval '10 seconds', hinted_at = NULL WHERE id = $1 AND status = 'pending'`, [
      jobId,
    ]);
    await runToEnd(platform, 'jobProcessor');
    return (await job(jobId)).status === 'completed' ? true : undefined;
  });
  expect((await versions(id)).map((version) => version.serial)).toEqual(signed('patient').map(({ serial }) => serial.replace(/^0+/, '')));
  const pem = ((await api(platform, 'GET', `/api/v1/certificates/${id}/versions`)).json()['items'] as { pem: string }[])[0]!.pem;
  expect(pem.match(/BEGIN CERTIFICATE/g)?.length).toBe(2);
});

test('killed after the claim and before the CA is asked: the lease ends, attempts are two, one certificate (case 3)', async () => {
  // The worker is stopped before it can ask: the intent's table is locked, the kill comes while it waits.
  await database.query('BEGIN');
  await database.query('LOCK TABLE issuance_intents IN ACCESS EXCLUSIVE MODE');
  const { id, job: jobId } = await order('early');
  const probe = await platform.database();
  await until('it is claimed', async () =>
    (await probe.query<Row>('SELECT status FROM jobs WHERE id = $1', [jobId])).rows[0]?.status === 'running' ? true : undefined,
  );
  killCopies();
  await database.query('COMMIT');
  await probe.end();
  expect(signed('early')).toEqual([]);
  await sweep();
  await until('it is issued', async () => ((await job(jobId)).status === 'completed' ? true : undefined));
  expect([(await job(jobId)).attempts, signed('early').length, (await versions(id)).length]).toEqual([2, 1, 1]);
});

test('killed after the CA signed and before the commit: the next attempt finds the same order, one certificate (case 4)', async () => {
  let paused = false;
  behaviour.beforeOrderAnswer = async () => {
    paused = true;
    await new Promise(() => undefined);
  };
  const { id, job: jobId } = await order('middle');
  await until('the CA has signed', () => (paused ? true : undefined));
  behaviour.beforeOrderAnswer = undefined;
  killCopies();
  await sweep();
  await until('it is issued', async () => ((await job(jobId)).status === 'completed' ? true : undefined));
  expect([(await job(jobId)).attempts, signed('middle').length]).toEqual([2, 1]);
  expect((await versions(id)).map(({ serial, orphan }) => [serial, orphan])).toEqual([
    [signed('middle')[0]!.serial.replace(/^0+/, ''), false],
  ]);
});

test('a slow holder whose lease was taken over changes nothing: one current version, and the order is the same (case 5)', async () => {
  let release = (): void => undefined;
  let held = 0;
  behaviour.beforeOrderAnswer = async () => {
    held += 1;
    if (held === 1) await new Promise<void>((resolve) => (release = resolve));
  };
  const { id, job: jobId } = await order('slow');
  await until('the first holder waits for the CA', () => (held === 1 ? true : undefined));
  await sweep();
  await until('the second holder has finished', async () => ((await job(jobId)).status === 'completed' ? true : undefined));
  release();
  await until('the first holder notices', () => (platformLog().includes('"LeaseLost"') ? true : undefined));
  expect([signed('slow').length, (await versions(id)).length, (await job(jobId)).attempts]).toEqual([1, 1, 2]);
});

test('an always failing CA is asked exactly three times with growing delays, then the job fails for good, with one alert (case 10)', async () => {
  behaviour.down = true;
  const hook = { name: 'ops', url: 'https://hooks.example.com/x', events: ['job.failed'] };
  expect((await api(platform, 'POST', '/api/v1/notification-channels', hook)).status).toBe(201);
  const { job: jobId } = await order('hopeless');
  const delays: number[] = [];
  for (let attempt = 1; attempt <= 3; attempt++) {
    const { rows } = await until(`attempt ${attempt} failed`, async () => {
      const found = await database.query<{ attempts: number; retryable: boolean; wait: number }>(
        `SELECT attempts, retryable, extract(epoch FROM run_at - state_entered_at)::float8 AS wait FROM jobs WHERE id = $1 AND status = 'failed' AND attempts = $2`,
        [jobId, attempt],
      );
      return found.rows.length === 1 ? found : undefined;
    });
    expect(rows[0]!.retryable).toBe(attempt < 3);
    if (attempt === 3) break;
    delays.push(rows[0]!.wait);
    await database.query(`UPDATE jobs SET run_at = now() WHERE id = $1`, [jobId]);
    await runToEnd(platform, 'jobProcessor');
  }
  expect(delays[0]! >= 240 && delays[0]! <= 360).toBe(true);
  expect(delays[1]! >= 480 && delays[1]! <= 720).toBe(true);
  await runToEnd(platform, 'jobProcessor');
  expect(await job(jobId)).toMatchObject({
    status: 'failed',
    attempts: 3,
    last_error: expect.stringContaining('the CA does not answer') as string,
  });
  const alerts = await database.query(`SELECT event FROM notifications WHERE subject_id = $1`, [jobId]);
  expect(alerts.rows).toEqual([{ event: 'job.failed' }]);
  const retries = await database.query(`SELECT count(*)::int AS n FROM audit_events WHERE resource_id = $1 AND action = 'job_retry'`, [
    jobId,
  ]);
  expect(retries.rows).toEqual([{ n: 2 }]);
});
