import type pg from 'pg';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { api, rowsOf, startPlatform, until, type Platform } from '../platform.ts';
import { callsTo, certified, report, retarget } from './agent-jobs.ts';
import { enrolledAgent } from './signed-agent.ts';

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
});
afterAll(() => platform.stop());

const { get, jobOf, target, ordered } = callsTo(() => platform);
/** Somebody who is in the way, for one test. */
async function intruder(): Promise<pg.Client> {
  const database = await platform.database();
  onTestFinished(() => database.end());
  return database;
}
/** Resolves when so many wait for another to commit. */
const waiting = (count: number): Promise<true> =>
  until(`${count} wait`, async () => {
    const rows = await rowsOf(platform, `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`);
    return rows.length === count ? true : undefined;
  });

test('given a report of a failure on its way, leaving its target out waits for that, and neither is turned away', async () => {
  const agent = await enrolledAgent(platform, 'reporting');
  const [stays, leaves] = [await target(agent, 'reporting-1'), await target(agent, 'reporting-2')];
  const { id } = await ordered('reporting', [stays, leaves]);
  const item = (await certified(agent, 'reporting')).find(({ target_id }) => target_id === leaves)!;
  const database = await intruder();
  // The report holds its job, and waits for the target.
  await database.query('BEGIN');
  await database.query('SELECT FROM targets WHERE id = $1 FOR UPDATE', [leaves]);
  const reported = report(agent, item, { ok: false, failure_class: 'write', detail: 'no space is left' });
  await waiting(1);
  const left = retarget(platform, id, [stays]);
  await waiting(2);
  await database.query('COMMIT');
  expect((await Promise.all([reported, left])).map(({ status }) => status)).toEqual([200, 200]);
  expect(await get(id)).toMatchObject({ targets: [stays], last_error: null });
  expect(await jobOf(item.job_id)).toMatchObject({ status: 'cancelled' });
});

test('given a target that is being left out, a deployment to it that is asked for at the same time is not made', async () => {
  const agent = await enrolledAgent(platform, 'deploying');
  const [stays, leaves] = [await target(agent, 'deploying-1'), await target(agent, 'deploying-2')];
  const { id } = await ordered('deploying', [stays, leaves]);
  await certified(agent, 'deploying');
  const database = await intruder();
  // The change is made, and not yet committed.
  await database.query(`
    CREATE FUNCTION wait_for_test() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(99); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER wait_for_test AFTER UPDATE ON managed_certificates DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
      WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION wait_for_test()`);
  await database.query('SELECT pg_advisory_lock(99)');
  const left = retarget(platform, id, [stays]);
  await waiting(1);
  const asked = api(platform, 'POST', `/api/v1/certificates/${id}/deploy`, { target: leaves });
  await waiting(2);
  await database.query('SELECT pg_advisory_unlock(99)');
  expect((await left).status).toBe(200);
  expect((await asked).status).toBe(409);
  const open = await rowsOf(
    platform,
    `SELECT FROM deployments d JOIN jobs j ON j.subject_id = d.id WHERE d.target_id = $1 AND j.status IN ('pending', 'running')`,
    [leaves],
  );
  expect(open).toEqual([]);
  await database.query('DROP TRIGGER wait_for_test ON managed_certificates; DROP FUNCTION wait_for_test');
});
