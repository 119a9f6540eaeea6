import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPlatform, until, type Platform } from '../platform.ts';
import { acmeClient, challengeOf, freshName, poll, startResponder, type AcmeClient, type Responder } from './client.ts';
import { hurryValidations } from './hurry.ts';

let platform: Platform;
let responder: Responder;
let client: AcmeClient;
beforeAll(async () => {
  responder = await startResponder();
  platform = await startPlatform({ args: ['--door-http01-port', String(responder.port)] });
  client = await acmeClient(platform, { responder });
  await client.register();
});
afterAll(async () => {
  await platform.stop();
  await responder.stop();
});

async function pending(): Promise<{ order: string; authorization: string; challenge: { url: string; token: string } }> {
  const { url, body } = await client.order(freshName());
  const [authorization] = body['authorizations'] as string[];
  return { order: url, authorization: authorization!, challenge: await challengeOf(client, authorization!, 'http-01') };
}

test('an empty payload reads a challenge and starts nothing, an object starts it (RFC 8555 §7.5.1)', async () => {
  const { challenge, authorization } = await pending();
  const read = await client.post(challenge.url);
  expect(read.json()['status']).toBe('pending');
  expect(read.headers['link']).toContain(`<${authorization}>;rel="up"`);
  responder.answers.set(challenge.token, `${challenge.token}.${client.thumbprint}`);
  const started = await client.post(challenge.url, {});
  expect([started.status, started.json()['status'], started.headers['retry-after']]).toEqual([200, 'processing', '3']);
  await poll(client, authorization, 'valid');
  const done = (await client.post(challenge.url)).json();
  expect(done).toMatchObject({ status: 'valid' });
  expect(done['validated']).toMatch(/Z$/);
});

test('the right answer makes the authorization valid and the order ready, also with white space after it', async () => {
  const { order, challenge } = await pending();
  responder.answers.set(challenge.token, `${challenge.token}.${client.thumbprint}\r\n  `);
  await client.post(challenge.url, {});
  await poll(client, order, 'ready');
});

test('twenty simultaneous answers start one validation', async () => {
  const { order, challenge } = await pending();
  responder.answers.set(challenge.token, `${challenge.token}.${client.thumbprint}`);
  const answers = await Promise.all(Array.from({ length: 20 }, () => client.post(challenge.url, {})));
  expect(answers.every((answer) => answer.status === 200)).toBe(true);
  await poll(client, order, 'ready');
  expect(responder.hits.filter((url) => url.endsWith(challenge.token))).toHaveLength(1);
});

test('an answer that comes late is found by a later try', async () => {
  const { order, challenge } = await pending();
  await client.post(challenge.url, {});
  await until('the first try', () => responder.hits.some((url) => url.endsWith(challenge.token)) || undefined);
  responder.answers.set(challenge.token, `${challenge.token}.${client.thumbprint}`);
  await poll(client, order, 'ready');
});

test('a wrong body, a 404, a body of 17 KiB and a redirect loop end invalid with an error that shows no address, after four tries', async () => {
  const wrong = { status: 200, body: 'something else' };
  const long = { status: 200, body: 'x'.repeat(17 * 1024) };
  const answers = [wrong, { status: 404 }, long, undefined];
  const attempts = await Promise.all(
    answers.map(async (answer) => {
      const attempt = await pending();
      const { token } = attempt.challenge;
      const host = (await client.post(attempt.authorization)).json()['identifier'] as { value: string };
      responder.answers.set(
        token,
        answer ?? { status: 302, headers: { location: `http://${host.value}/.well-known/acme-challenge/${token}` } },
      );
      await client.post(attempt.challenge.url, {});
      return attempt;
    }),
  );
  for (const { order, challenge, authorization } of attempts) {
    const failed = await until('the challenge is invalid', async () => {
      await hurryValidations(platform);
      const read = (await client.post(challenge.url)).json();
      return read['status'] === 'invalid' ? read : undefined;
    });
    const error = failed['error'] as { type: string; detail: string };
    expect(error.type).toMatch(/urn:ietf:params:acme:error:(incorrectResponse|connection)/);
    expect(error.detail).not.toMatch(/127\.0\.0\.1|::1/);
    expect((await client.post(authorization)).json()['status']).toBe('invalid');
    expect((await client.post(order)).json()['status']).toBe('invalid');
    expect(responder.hits.filter((url) => url.endsWith(challenge.token)).length).toBeGreaterThanOrEqual(4);
  }
});

test('of an order with three names all must be proven, in whatever order their validations end', async () => {
  const names = [freshName(), freshName(), freshName()];
  const answer = await client.post(String(client.directory['newOrder']), { identifiers: names.map((value) => ({ type: 'dns', value })) });
  const challenges = [];
  for (const url of answer.json()['authorizations'] as string[]) challenges.push(await challengeOf(client, url, 'http-01'));
  for (const { token } of challenges) responder.answers.set(token, `${token}.${client.thumbprint}`);
  await Promise.all(challenges.map((challenge) => client.post(challenge.url, {})));
  await poll(client, answer.headers['location'] ?? '', 'ready');
});
