import { PurgeQueueCommand, ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dueRenewals } from '#adapters/postgres/renewals.ts';
import { isIdle } from '#domain/schedule/gate.ts';
import { loops, scheduledLoops, type LoopName } from '#domain/schedule/loops.ts';
import { dynamodbOf, gatesOf, invoke, queueUrl, runToEnd, sqsOf, stateTable } from '../cloud.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { withinOneWindow } from '../one-window.ts';
import { api, startPlatform, until, type Platform } from '../platform.ts';

let platform: Platform;
let database: pg.Client;
let made = 0;
// Two copies of every function, and a scheduler that never throttles: the rows alone must hold.
beforeAll(async () => {
  platform = await startPlatform({ args: ['--copies', '2'] });
  database = await platform.database();
  // One certificate that jobs of the tests have issued again under other names.
  await api(platform, 'POST', '/api/v1/certificates', { name: 'pattern', csr: makeCsr(['pattern.example.com']).csr });
});
afterAll(async () => {
  await database.end();
  await platform.stop();
});

const working = scheduledLoops.filter((loop) => loop.name !== 'monitor');
const minute = (offset = 0): string => new Date(Math.floor(Date.now() / 60_000) * 60_000 + offset).toISOString();
const outcome = async (loop: LoopName, event: object): Promise<string> => {
  const { function: name } = loops.find((candidate) => candidate.name === loop)!;
  return ((await invoke(platform, name, { loop, ...event })).answer as { outcome: string }).outcome;
};
/** Opens a gate as a writer would. */
const open = (loop: LoopName): Promise<void> => gatesOf(platform).wake(loop, Date.now());
const job = async (id: string): Promise<{ status: string; attempts: number; last_error: string | null }> =>
  (await database.query(`SELECT status, attempts, last_error FROM jobs WHERE id = $1`, [id])).rows[0] as never;

test.each(working.map((loop) => loop.name))(
  'two copies of %s tick at one instant: one does the work, the other leaves (cases 1 and 2)',
  async (loop) => {
    // The schedule's own tick may come between, and take the lease from all three.
    const { scheduledTime, outcomes } = await until('a tick of ours gets the lease', async () => {
      const { rows } = await database.query(`SELECT FROM loop_leases WHERE loop = $1 AND expires_at > now()`, [loop]);
      if (rows.length > 0) return undefined;
      await open(loop);
      // Late in its minute: at the end of one, it would be stale in the next.
      const scheduledTime = minute(32_000 + Math.floor(Math.random() * 20_000));
      const outcomes = await Promise.all([0, 1, 2].map(() => outcome(loop, { scheduledTime })));
      return outcomes.includes('succeeded') ? { scheduledTime, outcomes } : undefined;
    });
    expect(outcomes.filter((one) => one === 'succeeded').length).toBe(1);
    expect(outcomes.filter((one) => one !== 'succeeded').every((one) => one === 'duplicate_tick' || one === 'lease_held')).toBe(true);
    expect(await outcome(loop, { scheduledTime })).toBe('duplicate_tick');
    const { rows } = await database.query(`SELECT outcome FROM loop_runs WHERE loop = $1 AND tick_key = $2`, [loop, scheduledTime]);
    expect(rows).toEqual([{ outcome: 'succeeded' }]);
  },
);

test('two different ticks at one instant: the lease lets one work, and the other is recorded as having found it held (case 1)', async () => {
  await open('acmeGC');
  await until('the lease is free, and taken', async () => {
    const { rowCount } = await database.query(
      `INSERT INTO loop_leases AS l (loop, holder, token, expires_at, release) VALUES ('acmeGC', 'somebody', 1000, now() + interval '1 minute', 'test')
       ON CONFLICT (loop) DO UPDATE SET holder = 'somebody', expires_at = now() + interval '1 minute' WHERE l.expires_at <= now()`,
    );
    return rowCount === 1 ? true : undefined;
  });
  const scheduledTime = minute(25_000);
  expect(await outcome('acmeGC', { scheduledTime })).toBe('lease_held');
  const held = await api(platform, 'POST', '/api/v1/admin/loops/acmeGC/run');
  expect([held.status, held.json()['detail']]).toEqual([409, 'acmeGC is running; try again when it has ended']);
  await database.query(`UPDATE loop_leases SET expires_at = now() - interval '1 second' WHERE loop = 'acmeGC'`);
  const { rows } = await database.query(`SELECT outcome FROM loop_runs WHERE loop = 'acmeGC' AND tick_key = $1`, [scheduledTime]);
  expect(rows).toEqual([{ outcome: 'lease_held' }]);
});

test('a run by hand goes through the same function, lease and record, and is audited; a loop of nonsense is refused', async () => {
  const answer = await until('no other run holds the lease', async () => {
    const asked = await api(platform, 'POST', '/api/v1/admin/loops/jobRetry/run');
    return asked.status === 409 ? undefined : asked;
  });
  expect(answer.status).toBe(202);
  const { run } = answer.json() as { run: string };
  await until('it has run', async () => {
    const { rows } = await database.query(`SELECT outcome FROM loop_runs WHERE id = $1 AND loop = 'jobProcessor'`, [run]);
    return (rows[0] as { outcome: string } | undefined)?.outcome === 'succeeded' ? true : undefined;
  });
  const audit = await database.query(`SELECT action FROM audit_events WHERE resource_type = 'loop' AND details ->> 'run' = $1`, [run]);
  expect(audit.rows).toEqual([{ action: 'runLoop' }]);
  for (const name of ['nothing', 'monitor']) expect((await api(platform, 'POST', `/api/v1/admin/loops/${name}/run`)).status).toBe(400);
});

test('a tick held back for longer than its interval leaves as stale; the tick after it does the work (case 14)', async () => {
  await open('acmeGC');
  const late = [3, 2].map((minutes) => new Date(Math.floor(Date.now() / 60_000) * 60_000 - minutes * 60_000).toISOString());
  for (const scheduledTime of late) expect(await outcome('acmeGC', { scheduledTime })).toBe('stale_tick');
  const next = await until('no other tick holds the lease', async () => {
    const seen = await outcome('acmeGC', { scheduledTime: minute(27_000 + made++) });
    return seen === 'lease_held' ? undefined : seen;
  });
  expect(next).toBe('succeeded');
});

test('an operator disables a loop: its ticks are recorded as disabled, a run by hand is refused, and the heartbeat goes on (case 15)', async () => {
  const set = await api(platform, 'PUT', '/api/v1/admin/loops/shortLivedExpiryCheck', { enabled: false, reason: 'a test' });
  expect(set.status).toBe(200);
  expect(await outcome('shortLivedExpiryCheck', { scheduledTime: minute(28_000) })).toBe('disabled');
  const refused = await api(platform, 'POST', '/api/v1/admin/loops/shortLivedExpiryCheck/run');
  expect([refused.status, refused.json()['detail']]).toEqual([409, 'shortLivedExpiryCheck is disabled; enable it first']);
  const listed = ((await api(platform, 'GET', '/api/v1/admin/loops')).json()['items'] as Record<string, unknown>[]).find(
    (loop) => loop['name'] === 'shortLivedExpiryCheck',
  );
  expect(listed).toMatchObject({ enabled: false, reason: 'a test', last_outcome: 'disabled', heartbeat: expect.any(String) as string });
  // A loop that a person stopped is not overdue.
  expect(JSON.stringify((await invoke(platform, 'loop-monitor', { scheduledTime: minute() })).answer)).not.toContain(
    'shortLivedExpiryCheck',
  );
  await api(platform, 'PUT', '/api/v1/admin/loops/shortLivedExpiryCheck', { enabled: true, reason: 'the test is over' });
  expect(await outcome('shortLivedExpiryCheck', { scheduledTime: minute(29_000) })).not.toBe('disabled');
});

test.each([
  ['faster than its schedule', { enabled: true, interval_seconds: 60, reason: 'x' }, 'crlGeneration', 422],
  ['no reason', { enabled: true }, 'crlGeneration', 400],
  ['an interval of nonsense', { enabled: true, interval_seconds: -5, reason: 'x' }, 'crlGeneration', 400],
  ['a field that nobody knows', { enabled: true, reason: 'x', colour: 'green' }, 'crlGeneration', 400],
])('a setting with %s is refused with a reason', async (_, body, name, status) => {
  const answer = await api(platform, 'PUT', `/api/v1/admin/loops/${name}`, body);
  expect([answer.status, answer.headers['content-type']]).toEqual([status, 'application/problem+json']);
  expect(String(answer.json()['detail']).length).toBeGreaterThan(10);
});

test('the monitor names a loop that has not succeeded for more than three intervals, and is silent about it after its next success (case 14)', async () => {
  const client = dynamodbOf(platform);
  await client.send(
    new UpdateItemCommand({
      TableName: stateTable(platform),
      Key: { pk: { S: 'gate#jobTimeout' } },
      UpdateExpression: 'SET last_success = :then, next_due = :then, heartbeat = :then',
      ExpressionAttributeValues: { ':then': { N: String(Date.now() - 16 * 60_000) } },
    }),
  );
  const overdue = async (): Promise<string> => JSON.stringify((await invoke(platform, 'loop-monitor', { scheduledTime: minute() })).answer);
  expect(await overdue()).toContain('jobTimeout');
  await runToEnd(platform, 'jobTimeout');
  expect(await overdue()).not.toContain('jobTimeout');
});

test('an event without its context is a clear error, not a silent tick', async () => {
  const { error, answer } = await invoke(platform, 'loop-acme-gc', { loop: 'acmeGC' });
  expect(error).toBeDefined();
  expect(JSON.stringify(answer)).toContain('neither a scheduled time nor a run');
});

test('messages that are not JSON, name nothing, or name an unknown job never return their siblings; the first two end with the dead, five receives later (case 7)', async () => {
  const sqs = sqsOf(platform);
  const QueueUrl = queueUrl(platform, 'Jobs');
  const made = await api(platform, 'POST', '/api/v1/certificates', { name: 'sibling', csr: makeCsr(['sibling.example.com']).csr });
  const { job: id } = made.json() as { job: string };
  const records = [
    { messageId: 'good', receiptHandle: 'r1', body: JSON.stringify({ jobId: id }) },
    { messageId: 'unknown', receiptHandle: 'r2', body: JSON.stringify({ jobId: 'job-nobody-knows' }) },
    { messageId: 'text', receiptHandle: 'r3', body: 'not json' },
    { messageId: 'nothing', receiptHandle: 'r4', body: '{}' },
  ];
  const { answer } = await invoke(platform, 'worker', { Records: records });
  expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: 'text' }, { itemIdentifier: 'nothing' }] });
  await until('the sibling is done', async () => ((await job(id)).status === 'completed' ? true : undefined));
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'not json either' }));
  const dead = await until('it is with the dead', async () => {
    const { Messages } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: queueUrl(platform, 'DeadJobs'), MaxNumberOfMessages: 10, VisibilityTimeout: 0 }),
    );
    return Messages?.find((message) => message.Body === 'not json either');
  });
  expect(dead.Body).toBe('not json either');
});

test('a message of several hints: what can be done is done, what fails goes on by itself, and the message is over (case 7)', async () => {
  const made = await api(platform, 'POST', '/api/v1/certificates', { name: 'in-company', csr: makeCsr(['in-company.example.com']).csr });
  const { job: id } = made.json() as { job: string };
  await database.query(
    `INSERT INTO jobs (id, type, subject_id, payload, max_attempts) VALUES ('job-bad-company', 'validation', 'chall-y', '{"type": "nonsense"}', 5)`,
  );
  const hints = [{ jobId: 'job-nobody-knows' }, { jobId: 'job-bad-company' }, { jobId: id }];
  const records = [
    { messageId: 'several', receiptHandle: 'r1', body: JSON.stringify({ hints }) },
    { messageId: 'none', receiptHandle: 'r2', body: JSON.stringify({ hints: [] }) },
  ];
  const { answer } = await invoke(platform, 'worker', { Records: records });
  expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: 'none' }] });
  await until('its sibling is done', async () => ((await job(id)).status === 'completed' ? true : undefined));
  // The bad one comes back in a message of its own, when its backoff is over.
  await until('the bad one is tried again', async () => ((await job('job-bad-company')).attempts >= 2 ? true : undefined), 60);
  await database.query(`UPDATE jobs SET status = 'cancelled', completed_at = now() WHERE id = 'job-bad-company'`);
});

test('a job whose contents make no sense: its message comes back each time, and after the fifth the job is failed, with the reason in its row (case 7)', async () => {
  await database.query(
    `INSERT INTO jobs (id, type, subject_id, payload, max_attempts) VALUES ('job-poison', 'validation', 'chall-x', '{"type": "nonsense"}', 5)`,
  );
  const records = [{ messageId: 'poison', receiptHandle: 'r1', body: JSON.stringify({ jobId: 'job-poison' }) }];
  for (let receive = 1; receive <= 5; receive++) {
    expect((await job('job-poison')).status).toBe('pending');
    await database.query(`UPDATE jobs SET run_at = now() WHERE id = 'job-poison'`);
    const { answer } = await invoke(platform, 'worker', { Records: records });
    expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: 'poison' }] });
  }
  expect(await job('job-poison')).toMatchObject({ status: 'failed', attempts: 5 });
});

test('a hint that is lost with the whole queue: the next tick sends it again, and the job is done (case 8)', async () => {
  await database.query(`INSERT INTO managed_certificates (id, name, profile_id, issuer_id, policy_id, sans, csr, created_by)
    SELECT 'mc-lost', 'lost', profile_id, issuer_id, policy_id, sans, csr, 'test' FROM managed_certificates WHERE name = 'pattern'`);
  await database.query(
    `INSERT INTO jobs (id, type, subject_id, run_at) VALUES ('job-lost', 'issuance', 'mc-lost', now() - interval '10 seconds')`,
  );
  await sqsOf(platform).send(new PurgeQueueCommand({ QueueUrl: queueUrl(platform, 'Jobs') }));
  await open('jobProcessor');
  await until('it is done', async () => {
    await outcome('jobProcessor', { run: `test-${Math.random()}` });
    return (await job('job-lost')).status === 'completed' ? true : undefined;
  });
});

test('a thousand jobs and ten workers: each job is claimed once, in about the order in which they became due (case 6)', async () => {
  await database.query(`INSERT INTO managed_certificates (id, name, profile_id, issuer_id, policy_id, sans, csr, created_by)
    SELECT 'mc-many-' || n, 'many-' || n, profile_id, issuer_id, policy_id, sans, csr, 'test' FROM managed_certificates, generate_series(1, 1000) n WHERE name = 'pattern'`);
  await database.query(`INSERT INTO jobs (id, type, subject_id, run_at)
    SELECT 'job-many-' || lpad(n::text, 4, '0'), 'issuance', 'mc-many-' || n, now() - interval '1 hour' + n * interval '1 second' FROM generate_series(1, 1000) n`);
  const ids = Array.from({ length: 1000 }, (_, index) => `job-many-${String(index + 1).padStart(4, '0')}`);
  const batches = Array.from({ length: 100 }, (_, index) => ids.slice(index * 10, index * 10 + 10));
  const worker = async (): Promise<void> => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
      // Each hint comes twice: a queue delivers at least once.
      const Records = [...batch, ...batch].map((jobId, index) => ({
        messageId: `m${index}`,
        receiptHandle: `r${index}`,
        body: JSON.stringify({ jobId }),
      }));
      await invoke(platform, 'worker', { Records });
    }
  };
  await Promise.all(Array.from({ length: 10 }, worker));
  // A tick may have sent hints besides, and who follows one may have a job yet when all of ours have none.
  await until('every job has ended', async () => {
    const open = await database.query(`SELECT FROM jobs WHERE id LIKE 'job-many-%' AND status IN ('pending', 'running')`);
    return open.rows.length === 0 ? true : undefined;
  });
  const { rows } =
    await database.query(`SELECT count(*)::int AS jobs, max(attempts) AS attempts, count(*) FILTER (WHERE status = 'completed')::int AS completed,
      corr(extract(epoch FROM run_at)::float8, extract(epoch FROM completed_at)::float8) AS correlation FROM jobs WHERE id LIKE 'job-many-%'`);
  const [found] = rows as { jobs: number; attempts: number; completed: number; correlation: number }[];
  expect([found!.jobs, found!.attempts, found!.completed]).toEqual([1000, 1, 1000]);
  expect(found!.correlation).toBeGreaterThan(0.9);
  const signed = await database.query(`SELECT count(*)::int AS n FROM signing_log WHERE idempotency_key LIKE 'job-many-%'`);
  expect(signed.rows).toEqual([{ n: 1000 }]);
}, 120_000);

test('two CRL generators at one instant: the published number never falls, and no number is used twice (case 13)', async () => {
  const number = async (): Promise<bigint> => {
    const { rows } = await database.query(`SELECT number FROM crls WHERE ca_id = 'issuing-1'`);
    return BigInt((rows[0] as { number: string }).number);
  };
  const before = await number();
  await database.query(`UPDATE crls SET status_epoch = status_epoch + 1 WHERE ca_id = 'issuing-1'`);
  await Promise.all(['a', 'b', 'c', 'd'].map(async (run) => outcome('crlGeneration', { run: `test-${run}-${Math.random()}` })));
  await until('no run holds the lease', async () => {
    const { rows } = await database.query(`SELECT FROM loop_leases WHERE loop = 'crlGeneration' AND expires_at > now()`);
    return rows.length === 0 ? true : undefined;
  });
  expect(await number()).toBeGreaterThan(before);
  const { rows } = await database.query(`SELECT published_epoch = status_epoch AS published FROM crls WHERE ca_id = 'issuing-1'`);
  expect(rows).toEqual([{ published: true }]);
});

test('a certificate that lived minutes is noted as expired once, whatever ticks at the same time', async () => {
  await database.query(`INSERT INTO certificates (id, ca_id, serial, fingerprint, spki_sha256, certificate, sans, profile_id, source, not_before, not_after)
    SELECT 'cert-short', ca_id, 'abc', '\\x01', spki_sha256, certificate, sans, profile_id, source, now() - interval '10 minutes', now() - interval '4 minutes' FROM certificates LIMIT 1`);
  await Promise.all([0, 1, 2].map(() => runToEnd(platform, 'shortLivedExpiryCheck')));
  const { rows } = await database.query(
    `SELECT count(*)::int AS n FROM audit_events WHERE action = 'short_lived_cert_expired' AND resource_id = 'cert-short'`,
  );
  expect(rows).toEqual([{ n: 1 }]);
});

test('the renewal scan finds what is due by its index, however many certificates are not', async () => {
  await database.query('BEGIN');
  await database.query(`INSERT INTO managed_certificates (id, name, state, profile_id, issuer_id, policy_id, sans, csr, created_by, renew_at)
    SELECT 'mc-plan-' || n, 'plan-' || n, 'active', profile_id, issuer_id, policy_id, sans, csr, 'test', now() + n * interval '1 hour'
    FROM managed_certificates, generate_series(1, 20000) n WHERE name = 'pattern'`);
  await database.query('ANALYZE managed_certificates');
  const { rows } = await database.query(`EXPLAIN ${dueRenewals.text.replaceAll('$1', '500')}`);
  await database.query('ROLLBACK');
  expect(JSON.stringify(rows)).toContain('Index Scan using managed_certificates_renewal');
});

test('when nothing is due and nobody writes, every gate closes, and ticks leave without a run', async () => {
  const store = gatesOf(platform);
  const closed = async (): Promise<string[]> => {
    const open: string[] = [];
    for (const loop of working) {
      const gate = await store.read(loop.name);
      // What the tests above announced is over: time passes by moving its end.
      await dynamodbOf(platform).send(
        new UpdateItemCommand({
          TableName: stateTable(platform),
          Key: { pk: { S: `gate#${loop.name}` } },
          UpdateExpression: 'SET hot_until = :past',
          ExpressionAttributeValues: { ':past': { N: '0' } },
        }),
      );
      if (!isIdle({ ...gate, hotUntil: 0 }, Date.now())) {
        open.push(loop.name);
        await outcome(loop.name, { run: `test-${Math.random()}` });
      }
    }
    return open;
  };
  await database.query(
    `UPDATE jobs SET status = 'cancelled', retryable = false WHERE status IN ('pending', 'awaiting_csr', 'running') OR retryable`,
  );
  const count = async (): Promise<unknown> => (await database.query(`SELECT count(*)::int AS n FROM loop_runs`)).rows[0];
  await withinOneWindow(async () => {
    await until('every gate is closed', async () => ((await closed()).length === 0 ? true : undefined));
    const before = await count();
    for (const loop of working) {
      const gate = await store.read(loop.name);
      // Nothing earlier than the day's window.
      expect([loop.name, gate.nextDue - Date.now() > 0]).toEqual([loop.name, true]);
      expect(await outcome(loop.name, { scheduledTime: minute(31_000) })).toBe('idle');
    }
    expect(await count()).toEqual(before);
  });
});
