import type pg from 'pg';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { runToEnd } from '../cloud.ts';
import { makeCsr } from '../lifecycle/csr.ts';
import { api, startPlatform, until, type Platform } from '../platform.ts';
import { childrenOf } from '../process-tree.ts';
import { startReceiver, type Receiver } from './receiver.ts';

let platform: Platform;
let database: pg.Client;
let receiver: Receiver;
let secret: string;
let channel: string;
beforeAll(async () => {
  receiver = await startReceiver();
  platform = await startPlatform({ args: ['--copies', '2'] });
  database = await platform.database();
  const made = await api(platform, 'POST', '/api/v1/notification-channels', {
    name: 'ops',
    url: receiver.url,
    events: ['certificate.issued'],
  });
  expect(made.status).toBe(201);
  ({ id: channel, secret } = made.json() as { id: string; secret: string });
});
afterEach(() => {
  receiver.answer = () => 204;
});
afterAll(async () => {
  await database.end();
  await platform.stop();
  await receiver.stop();
});

interface Row {
  id: string;
  status: string;
  attempts: number;
  ambiguous: number;
  last_error: string | null;
  wait: number;
}
/** Issues a certificate; the notification of it. */
async function notified(name: string): Promise<string> {
  const answer = await api(platform, 'POST', '/api/v1/certificates', { name, csr: makeCsr([`${name}.example.com`]).csr });
  const { certificate } = answer.json() as unknown as { certificate: { id: string } };
  return until('there is a notification', async () => {
    const { rows } = await database.query<{ id: string }>('SELECT id FROM notifications WHERE subject_id = $1', [certificate.id]);
    return rows[0]?.id;
  });
}
const row = async (id: string): Promise<Row> =>
  (
    await database.query<Row>(
      `SELECT id, status, attempts, ambiguous, last_error, extract(epoch FROM next_attempt_at - now())::float8 AS wait FROM notifications WHERE id = $1`,
      [id],
    )
  ).rows[0]!;
const dispatch = (): Promise<void> => runToEnd(platform, 'notificationProcess');
const becomes = (id: string, status: string, attempts?: number): Promise<Row> =>
  until(`it is ${status}`, async () => {
    const now = await row(id);
    return now.status === status && (attempts === undefined || now.attempts === attempts) ? now : undefined;
  });
const receivedOf = (id: string): readonly { body: string; headers: Record<string, unknown> }[] =>
  receiver.received.filter((message) => message.headers['webhook-id'] === id);

test('a notification leaves within the second, once, and the library of Standard Webhooks accepts its signature', async () => {
  const id = await notified('signed');
  await becomes(id, 'sent');
  const [message, ...more] = receivedOf(id);
  expect(more).toEqual([]);
  const body = new Webhook(secret).verify(message!.body, message!.headers as Record<string, string>) as {
    type: string;
    data: { name: string };
  };
  expect([body.type, body.data.name, message!.headers['idempotency-key']]).toEqual(['certificate.issued', 'signed', id]);
  expect(() => new Webhook(secret).verify(message!.body.replace('signed', 'forged'), message!.headers as Record<string, string>)).toThrow();
});

test('a receiver that fails is asked again after 1, 2, 4 and 8 minutes, then the notification is dead; requeued, it is sent once (case 11)', async () => {
  receiver.answer = () => 500;
  const id = await notified('failing');
  for (let attempt = 1; attempt <= 5; attempt++) {
    const now = await becomes(id, attempt === 5 ? 'dead' : 'failed', attempt);
    expect(now.last_error).toBe('unavailable: the receiver answered with status 500');
    if (attempt === 5) break;
    const minutes = 2 ** (attempt - 1);
    expect(now.wait > minutes * 60 * 0.8 - 5 && now.wait <= minutes * 60 * 1.2).toBe(true);
    await database.query(`UPDATE notifications SET next_attempt_at = now() WHERE id = $1`, [id]);
    await dispatch();
  }
  receiver.answer = () => 204;
  await dispatch();
  expect([(await row(id)).status, receivedOf(id).length]).toEqual(['dead', 5]);
  expect((await api(platform, 'POST', `/api/v1/notifications/${id}/requeue`)).status).toBe(202);
  expect((await becomes(id, 'sent')).attempts).toBe(1);
  expect(receivedOf(id).length).toBe(6);
  expect((await api(platform, 'POST', `/api/v1/notifications/${id}/requeue`)).status).toBe(409);
});

test('a receiver that says it is gone is not asked again', async () => {
  receiver.answer = () => 410;
  const id = await notified('gone');
  expect((await becomes(id, 'dead')).attempts).toBe(1);
});

test('two dispatchers at one instant send a notification once (case 1)', async () => {
  receiver.answer = () => 503;
  const id = await notified('twice');
  await becomes(id, 'failed', 1);
  receiver.answer = () => 204;
  await database.query(`UPDATE notifications SET next_attempt_at = now(), hinted_at = NULL WHERE id = $1`, [id]);
  await Promise.all([dispatch(), dispatch(), dispatch()]);
  await becomes(id, 'sent');
  expect(receivedOf(id).length).toBe(2);
});

test('a sender killed between the receiver and the record: the message comes again under the same id, and is counted as ambiguous', async () => {
  let paused = false;
  receiver.answer = async () => {
    paused = true;
    return new Promise<number>(() => undefined);
  };
  const id = await notified('ambiguous');
  await until('the receiver has it', () => (paused ? true : undefined));
  receiver.answer = () => 204;
  for (const pid of childrenOf(platform.instance.pid)) if (pid !== platform.instance.postgres) process.kill(pid, 'SIGKILL');
  await database.query(`UPDATE notifications SET lease_expires_at = now() - interval '1 second' WHERE id = $1`, [id]);
  await until('the new copies dispatch', async () => {
    await dispatch().catch(() => undefined);
    await database.query(`UPDATE notifications SET hinted_at = NULL WHERE id = $1 AND status = 'sending' AND lease_expires_at <= now()`, [
      id,
    ]);
    return (await row(id)).status === 'sent' ? true : undefined;
  });
  expect([(await row(id)).ambiguous, receivedOf(id).length]).toEqual([1, 2]);
});

test('a channel that wants at most one has its ambiguous message dead instead of sent again', async () => {
  const id = await notified('at-most-once');
  await becomes(id, 'sent');
  await database.query(`UPDATE notification_channels SET delivery = 'at_most_once' WHERE id = $1`, [channel]);
  await database.query(
    `UPDATE notifications SET status = 'sending', hinted_at = NULL, lease_token = 'x', lease_expires_at = now() - interval '1 second' WHERE id = $1`,
    [id],
  );
  await dispatch();
  expect((await becomes(id, 'dead')).last_error).toContain('ambiguous');
  expect(receivedOf(id).length).toBe(1);
  await database.query(`UPDATE notification_channels SET delivery = 'at_least_once' WHERE id = $1`, [channel]);
});

test('a channel that is switched off has its messages suppressed, not sent', async () => {
  const id = await notified('suppressed');
  await becomes(id, 'sent');
  expect((await api(platform, 'PUT', `/api/v1/notification-channels/${channel}/enabled`, { enabled: false })).json()['enabled']).toBe(
    false,
  );
  await database.query(`UPDATE notifications SET status = 'pending', hinted_at = NULL WHERE id = $1`, [id]);
  await dispatch();
  await becomes(id, 'suppressed');
  expect(receivedOf(id).length).toBe(1);
  await api(platform, 'PUT', `/api/v1/notification-channels/${channel}/enabled`, { enabled: true });
});

test.each([
  ['http to a public name', 'http://hooks.example.com/'],
  ['an address', 'https://169.254.169.254/latest/meta-data'],
  ['an address in brackets', 'https://[::1]/'],
  ['credentials', 'https://user:secret@hooks.example.com/'],
  ['no URL', 'hooks'],
  ['another scheme', 'ftp://hooks.example.com/'],
])('a channel to %s is refused', async (_, url) => {
  const answer = await api(platform, 'POST', '/api/v1/notification-channels', { name: `bad ${url}`, url });
  expect([answer.status, answer.json()['type']]).toEqual([422, 'urn:certctl:error:policyViolation']);
});

test('the secret is in no answer but the first, and in no log', async () => {
  const listed = await api(platform, 'GET', '/api/v1/notification-channels');
  const { readFileSync } = await import('node:fs');
  const log = readFileSync(`${platform.home}/log/platform.log`, 'utf8');
  for (const text of [listed.text, log]) expect(text).not.toContain(secret.replace('whsec_', ''));
});
