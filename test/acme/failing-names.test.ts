import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startZone, type Zone } from '../acme-conformance/zone.ts';
import { runToEnd } from '../cloud.ts';
import { api, request, startPlatform, until, type Answer, type Platform } from '../platform.ts';
import { challengeOf, freshName, poll, registered, type AcmeClient } from './client.ts';

const rateLimited = 'urn:ietf:params:acme:error:rateLimited';

let platform: Platform;
let zone: Zone;
beforeAll(async () => {
  zone = await startZone();
  platform = await startPlatform({
    args: ['--dns-resolver', zone.address],
    env: { LIMIT_FAILED_VALIDATIONS_PER_HOUR: '2', LIMIT_FAILURES_BEFORE_PAUSE: '3' },
  });
});
afterAll(async () => {
  await platform.stop();
  zone.stop();
});

const someone = (): Promise<AcmeClient> => registered(platform);

/** A name that leads where no challenge may go: its http-01 fails at the first try. */
function trap(): string {
  const name = freshName().replace('.localhost', '.zone.example');
  zone.records.set(name, [{ type: 'A', data: '127.0.0.1' }]);
  return name;
}

function order(client: AcmeClient, ...names: string[]): Promise<Answer> {
  return client.post(String(client.directory['newOrder']), { identifiers: names.map((value) => ({ type: 'dns', value })) });
}

async function fail(client: AcmeClient, name: string): Promise<void> {
  const { url, body } = await client.order(name);
  const challenge = await challengeOf(client, (body['authorizations'] as string[])[0]!, 'http-01');
  await client.post(challenge.url, {});
  await until('the order is invalid', async () => (await client.post(url)).json()['status'] === 'invalid' || undefined, 70);
}

async function sql(text: string, ...values: unknown[]): Promise<readonly Record<string, unknown>[]> {
  const database = await platform.database();
  try {
    return (await database.query<Record<string, unknown>>(text, values)).rows;
  } finally {
    await database.end();
  }
}

/** Lets time pass for the hour's limit. */
async function anHourLater(name: string): Promise<void> {
  await sql(
    `UPDATE acme_failing_names SET failed_at = ARRAY(SELECT f - interval '1 hour' FROM unnest(failed_at) f) WHERE identifier_value = $1`,
    name,
  );
}

async function pause(client: AcmeClient, name: string): Promise<string> {
  for (let failed = 0; failed < 3; failed++) {
    await fail(client, name);
    await anHourLater(name);
  }
  const refused = await order(client, name);
  return /https:\S+/.exec(String(refused.json()['detail']))![0];
}

const failingNames = async (query: string): Promise<Record<string, unknown>[]> =>
  (await api(platform, 'GET', `/api/v1/acme/failing-names?${query}`)).json()['items'] as Record<string, unknown>[];

test('a name that failed twice within an hour is refused to its account, and to no other, until one failure is an hour old', async () => {
  const [client, other] = [await someone(), await someone()];
  const name = trap();
  await fail(client, name);
  expect((await order(client, name)).status).toBe(201);
  await fail(client, name);
  const refused = await order(client, freshName(), name);
  expect([refused.status, refused.json()['type']]).toEqual([429, rateLimited]);
  expect(refused.json()['subproblems']).toEqual([
    { type: rateLimited, detail: '2 validations failed in a row', identifier: { type: 'dns', value: name } },
  ]);
  const wait = Number(refused.headers['retry-after']);
  expect(wait > 3000 && wait <= 3600).toBe(true);
  expect((await order(other, name)).status).toBe(201);
  await anHourLater(name);
  expect((await order(client, name)).status).toBe(201);
});

test('a name that failed three times in a row is paused, wildcard and all, until the page that the refusal names lets it go on', async () => {
  const client = await someone();
  const name = trap();
  const url = await pause(client, name);
  const refused = await order(client, `*.${name}`);
  expect([refused.status, refused.json()['type']]).toEqual([429, rateLimited]);
  expect(refused.headers['link']).toContain(`<${url}>;rel="help"`);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect((await order(client, freshName())).status).toBe(201);

  const page = await request(platform, url);
  expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
  expect(page.headers['content-security-policy']).toContain("default-src 'none'");
  expect(page.text).toContain(`<li>${name}</li>`);
  expect((await order(client, name)).status).toBe(429);
  expect((await request(platform, url, { method: 'POST' })).status).toBe(200);
  expect((await order(client, name)).status).toBe(201);
  expect((await request(platform, url, { method: 'POST' })).status).toBe(404);
  expect((await request(platform, url)).status).toBe(404);
  const actions = await sql(
    `SELECT action FROM audit_events WHERE resource_id = $1 AND details::text LIKE $2 ORDER BY id`,
    client.kid.split('/').at(-1),
    `%${name}%`,
  );
  expect(actions.map(({ action }) => action)).toEqual(['acme_name_paused', 'acme_names_unpaused']);
});

test('one page lets all paused names of an account go on, and none of another account', async () => {
  const [client, other] = [await someone(), await someone()];
  const [first, second] = [trap(), trap()];
  const url = await pause(client, first);
  await pause(client, second);
  await pause(other, first);
  expect((await request(platform, url, { method: 'POST' })).text).toContain(second);
  expect((await order(client, first, second)).status).toBe(201);
  expect((await order(other, first)).status).toBe(429);
});

test('a proof forgets the failures before it', async () => {
  const client = await someone();
  const name = trap();
  await fail(client, name);
  const { url, body } = await client.order(name);
  const challenge = await challengeOf(client, (body['authorizations'] as string[])[0]!, 'dns-01');
  const data = createHash('sha256').update(`${challenge.token}.${client.thumbprint}`).digest('base64url');
  zone.records.set(`_acme-challenge.${name}`, [{ type: 'TXT', data }]);
  await client.post(challenge.url, {});
  await poll(client, url, 'ready');
  expect(await failingNames(`account=${client.kid.split('/').at(-1)!}`)).toEqual([]);
});

test('operators see what fails and what is paused, and let a single name go on', async () => {
  const client = await someone();
  const account = client.kid.split('/').at(-1)!;
  const [paused, failing] = [trap(), trap()];
  await pause(client, paused);
  await fail(client, failing);
  expect((await failingNames(`account=${account}`)).map(({ identifier }) => identifier)).toEqual([
    { type: 'dns', value: failing },
    { type: 'dns', value: paused },
  ]);
  const [seen, ...more] = await failingNames(`account=${account}&paused=true`);
  expect(more).toEqual([]);
  expect(seen).toMatchObject({ account, profile: 'default', failures: 3, error: { type: 'urn:ietf:params:acme:error:connection' } });
  expect(JSON.stringify(seen)).not.toContain('unpause');
  const path = `/api/v1/acme/failing-names/${String(seen!['id'])}/unpause`;
  expect((await api(platform, 'POST', path)).status).toBe(200);
  expect((await api(platform, 'POST', path)).status).toBe(404);
  expect((await order(client, paused)).status).toBe(201);
  expect((await order(client, failing)).status).toBe(201);
});

test('a failure of ours is no failure of the name', async () => {
  const client = await someone();
  const name = trap();
  const { body } = await client.order(name);
  const challenge = await challengeOf(client, (body['authorizations'] as string[])[0]!, 'http-01');
  // A job that nobody can read is given up after its last try.
  await sql(`CREATE OR REPLACE FUNCTION spoil_${name.split('.')[0]!}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN IF NEW.payload->'identifier'->>'value' = '${name}' THEN NEW.payload := NEW.payload || '{"type":"no-such"}'; NEW.attempts := NEW.max_attempts - 1; END IF; RETURN NEW; END $$`);
  const trigger = `spoil_${name.split('.')[0]!}`;
  await sql(`CREATE TRIGGER ${trigger} BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION ${trigger}()`);
  try {
    await client.post(challenge.url, {});
    const ended = await until(
      'the challenge is given up',
      async () => {
        const read = (await client.post(challenge.url)).json();
        return read['status'] === 'invalid' ? read : undefined;
      },
      70,
    );
    expect(ended['error']).toMatchObject({ type: 'urn:ietf:params:acme:error:serverInternal' });
  } finally {
    await sql(`DROP TRIGGER ${trigger} ON jobs`);
    await sql(`DROP FUNCTION ${trigger}()`);
  }
  expect(await failingNames(`account=${client.kid.split('/').at(-1)!}`)).toEqual([]);
});

test('failures that nobody asked about for a season are forgotten, paused names are not', async () => {
  const client = await someone();
  const [paused, failing] = [trap(), trap()];
  await pause(client, paused);
  await fail(client, failing);
  await sql(`UPDATE acme_failing_names SET last_failed_at = now() - interval '91 days' WHERE identifier_value = ANY($1)`, [
    paused,
    failing,
  ]);
  await runToEnd(platform, 'acmeGC');
  const left = await until('the loop has run', async () => {
    const names = await failingNames(`account=${client.kid.split('/').at(-1)!}`);
    return names.length === 1 ? names : undefined;
  });
  expect(left.map(({ identifier }) => identifier)).toEqual([{ type: 'dns', value: paused }]);
});
