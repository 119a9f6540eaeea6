import { afterAll, beforeAll, expect, test } from 'vitest';
import { runToEnd } from '../cloud.ts';
import { api, rowsOf, startPlatform, type Platform } from '../platform.ts';
import { authorityCalls, days, type Row } from './authority-calls.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
  const channel = { name: 'authorities', url: 'https://alerts.example.com/', events: ['authority.expiring'] };
  expect((await api(platform, 'POST', '/api/v1/notification-channels', channel)).status).toBe(201);
});
afterAll(() => platform.stop());

const { root, child, made, post, auditOf } = authorityCalls(() => platform);

/** Days before its end at which it is told next; undefined: never. */
async function alertOf({ id }: Row): Promise<number | undefined> {
  const text = `SELECT extract(epoch FROM not_after - alert_at) / 86400 AS left FROM certificate_authorities WHERE id = $1`;
  const [row] = await rowsOf<{ left: string | null }>(platform, text, [id]);
  return typeof row?.left === 'string' ? Number(row.left) : undefined;
}
/** As if it had been made that long ago: it now ends in so many days, which is a threshold that has just been passed. */
async function age({ id }: Row, left: number): Promise<void> {
  const shifted = `UPDATE certificate_authorities SET not_before = not_before - (not_after - now() - make_interval(days => $2)), not_after = now() + make_interval(days => $2) WHERE id = $1`;
  await rowsOf(platform, shifted, [id, left]);
  await rowsOf(platform, `UPDATE certificate_authorities SET alert_at = now() - interval '1 minute' WHERE id = $1`, [id]);
}
const told = (row: Row): Promise<readonly { data: Record<string, unknown> }[]> =>
  rowsOf(platform, `SELECT data FROM notifications WHERE event = 'authority.expiring' AND subject_id = $1 ORDER BY created_at`, [row.id]);
const tick = (): Promise<void> => runToEnd(platform, 'renewalCheck');

test.each([
  ['ten years and more', 4000, 1825],
  ['eight years', 2922, 730],
  ['a year', 366, 180],
  ['a month', 30, 7],
])('given a CA of %s, it is first told of in the second half of its life', async (_, lives, first) => {
  expect(await alertOf(await root({ notAfter: days(lives) }))).toBeCloseTo(first, 1);
});

test('given a CA that passes a threshold, it is told once, with what rests on it, and again at the next', async () => {
  const parent = await root({ notAfter: days(4000) });
  const issuing = await made(child(parent, { ttl_days: 1900 }));
  expect((await api(platform, 'PUT', '/api/v1/issuers/iss-local/issuing-ca', { issuing_ca_id: issuing.id })).status).toBe(200);
  await age(issuing, 90);
  await Promise.all([tick(), tick()]);
  expect(await told(issuing)).toMatchObject([
    { data: { authority: issuing.id, name: issuing['name'], state: 'active', days_left: 90, issuers: ['iss-local'], profiles: [] } },
  ]);
  expect(await alertOf(issuing)).toBeCloseTo(30, 1);
  await tick();
  expect(await told(issuing)).toHaveLength(1);
  await age(issuing, 30);
  await tick();
  expect((await told(issuing)).map(({ data }) => data['days_left'])).toEqual([90, 30]);
  expect((await auditOf(issuing.id)).filter(({ action }) => action === 'authority_expiry_alert')).toHaveLength(2);
  expect((await api(platform, 'PUT', '/api/v1/issuers/iss-local/issuing-ca', { issuing_ca_id: null })).status).toBe(200);
});

test('given a CA that ends today, it is told a last time; one that is retired is not told of at all', async () => {
  const ending = await root({ notAfter: days(4000) });
  await age(ending, 0);
  await tick();
  expect((await told(ending)).map(({ data }) => data['days_left'])).toEqual([0]);
  expect(await alertOf(ending)).toBeUndefined();
  const retired = await root({ notAfter: days(4000) });
  await post(retired, 'retire');
  expect(await alertOf(retired)).toBeCloseTo(1825, 1);
  await post(retired, 'retire', { confirm: true });
  expect(await alertOf(retired)).toBeUndefined();
});
