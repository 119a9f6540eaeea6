import { account, stranger } from '../account.ts';
import { must, should, slow, type Case } from '../case.ts';
import { post, settled, type Client } from '../client.ts';
import { firstAuthorization, pendingOrder, provenOrder, readyOrder, requestFor, wantingProof } from '../order.ts';
import { challengesOf, judged, offered, present, type ChallengeType, type Offered } from '../proof.ts';
import type { Placed, Subject } from '../subject.ts';
import { hold, linksOf, listOf, NotApplicable, objectOf, refused, succeeded, textOf, type JsonObject } from '../verdict.ts';

const clause = 'RFC 8555 §7.5';
const types: readonly ChallengeType[] = ['http-01', 'dns-01', 'tls-alpn-01'];

/** Some challenge of an order that the suite can answer. */
async function someChallenge(subject: Subject, client: Client, order: Placed): Promise<Offered> {
  const authorization = firstAuthorization(order);
  for (const type of types) {
    try {
      return await offered(subject, client, authorization, type);
    } catch (error) {
      if (!(error instanceof NotApplicable)) throw error;
    }
  }
  throw new NotApplicable('the suite was given no port to answer a challenge that the server offers');
}

async function failed(subject: Subject): Promise<{ readonly client: Client; readonly order: Placed; readonly authorization: JsonObject }> {
  const client = await account(subject);
  const order = await wantingProof(subject, client);
  const challenge = await someChallenge(subject, client, order);
  await present(subject, challenge, { text: 'not the key authorization' });
  return { client, order, authorization: await judged(subject, client, challenge, Math.max(subject.patience, 120)) };
}

export const authorizations: readonly Case[] = [
  must(clause, 'an authorization is read', async (subject) => {
    const client = await account(subject);
    const answer = await post(client, firstAuthorization(await readyOrder(subject)));
    textOf(objectOf(succeeded('reading the authorization', answer, 200)), 'status');
  }),
  must(`${clause}.1`, 'an empty payload reads a challenge and starts no validation', async (subject) => {
    const client = await account(subject);
    const order = await wantingProof(subject, client);
    const challenge = await someChallenge(subject, client, order);
    await present(subject, challenge);
    succeeded('reading the challenge', await post(client, challenge.url), 200);
    const { status } = objectOf(await post(client, challenge.url));
    hold(status === 'pending', `a challenge that was only read is ${String(status)}`);
  }),
  must(`${clause}.1`, 'the response to a challenge is answered with the challenge', async (subject) => {
    const client = await account(subject);
    const challenge = await someChallenge(subject, client, await wantingProof(subject, client));
    await present(subject, challenge);
    const answer = objectOf(succeeded('the response', await post(client, challenge.url, {}), 200));
    hold(answer['type'] === challenge.type && answer['url'] === challenge.url, `the answer is ${JSON.stringify(answer)}`);
  }),
  must('RFC 8555 §7.1', 'a challenge links to its authorization as up', async (subject) => {
    const client = await account(subject);
    const authorization = firstAuthorization(await readyOrder(subject));
    const [challenge] = await challengesOf(client, authorization);
    const answer = await post(client, textOf(challenge ?? {}, 'url'));
    const [up] = linksOf(answer, 'up');
    hold(up === authorization, `the link is ${up ?? 'absent'}, not ${authorization}`);
  }),
  must(`${clause}.1`, 'a challenge is not answered by another account', async (subject) => {
    const client = await account(subject);
    const order = await wantingProof(subject, client);
    const challenge = await someChallenge(subject, client, order);
    refused('the response of another account', await post(await stranger(subject), challenge.url, {}));
    const { status } = objectOf(await post(client, challenge.url));
    hold(status === 'pending', `the challenge is ${String(status)} afterwards`);
  }),
  must(`${clause}.1`, 'a right answer makes challenge and authorization valid', async (subject) => {
    const client = await account(subject);
    const challenge = await someChallenge(subject, client, await wantingProof(subject, client));
    await present(subject, challenge);
    const authorization = await judged(subject, client, challenge);
    hold(authorization['status'] === 'valid', `the authorization is ${JSON.stringify(authorization)}`);
    const met = (listOf(authorization, 'challenges') as readonly JsonObject[]).find(({ url }) => url === challenge.url);
    hold(met?.['status'] === 'valid', `the challenge is ${JSON.stringify(met)}`);
  }),
  slow(
    must(`${clause}.1`, 'a wrong answer makes the authorization invalid, and the challenge says why', async (subject) => {
      const { authorization } = await failed(subject);
      hold(authorization['status'] === 'invalid', `the authorization is ${JSON.stringify(authorization)}`);
      const challenges = listOf(authorization, 'challenges') as readonly JsonObject[];
      const error = challenges.find(({ status }) => status === 'invalid')?.['error'] as JsonObject | undefined;
      hold(typeof error?.['type'] === 'string', `no challenge has an error: ${JSON.stringify(challenges)}`);
    }),
  ),
  slow(
    must('RFC 8555 §7.1.6', 'an order whose authorization is invalid becomes invalid', async (subject) => {
      const { client, order } = await failed(subject);
      const { status } = await settled(client, order.url, ['pending'], subject.patience);
      hold(status === 'invalid', `the order is ${String(status)}`);
    }),
  ),
  must(`${clause}.2`, 'an authorization can be deactivated', async (subject) => {
    const client = await account(subject);
    const url = firstAuthorization(await provenOrder(subject, client));
    const answer = objectOf(succeeded('the deactivation', await post(client, url, { status: 'deactivated' }), 200));
    hold(answer['status'] === 'deactivated', `the answer is ${JSON.stringify(answer)}`);
  }),
  should(`${clause}.2`, 'an order whose authorization was deactivated is not finalized', async (subject) => {
    const client = await account(subject);
    const order = await provenOrder(subject, client);
    succeeded('the deactivation', await post(client, firstAuthorization(order), { status: 'deactivated' }), 200);
    refused('finalize', await post(client, textOf(order.body, 'finalize'), { csr: requestFor(order.identifiers) }));
  }),
  must(`${clause}.2`, 'an authorization is not deactivated by another account', async (subject) => {
    const client = await account(subject);
    const url = firstAuthorization(await pendingOrder(subject).catch(() => readyOrder(subject)));
    refused('the deactivation', await post(await stranger(subject), url, { status: 'deactivated' }));
    const { status } = objectOf(await post(client, url));
    hold(status !== 'deactivated', 'the authorization is deactivated');
  }),
];
