import { randomBytes } from 'node:crypto';
import { account } from '../account.ts';
import { must, should, type Case } from '../case.ts';
import { freshNonce, post, resource, seal, send } from '../client.ts';
import type { Subject } from '../subject.ts';
import type { HttpAnswer } from '../transport.ts';
import { errorOf, hold, refused, show, succeeded } from '../verdict.ts';

const clause = 'RFC 8555 §6.5';

/** The answer to a nonce that was used before. */
async function replayed(subject: Subject): Promise<HttpAnswer> {
  const client = await account(subject);
  const nonce = await acceptedNonce(subject);
  return post(client, client.kid, undefined, { header: { nonce } });
}

/** A server may refuse some good nonces to try its clients; this one it took. */
async function acceptedNonce(subject: Subject): Promise<string> {
  const client = await account(subject);
  for (let attempt = 0; attempt < 5; attempt++) {
    const nonce = await freshNonce(subject.connection);
    const answer = await post(client, client.kid, undefined, { header: { nonce } });
    if (errorOf(answer) === 'badNonce') continue;
    succeeded('a request with a fresh nonce', answer);
    return nonce;
  }
  throw new Error('the server took none of five fresh nonces');
}

export const replayProtection: readonly Case[] = [
  must(clause, 'a nonce is refused the second time', async (subject) => {
    refused('the second request', await replayed(subject), 'badNonce');
  }),
  must(clause, 'badNonce is answered with 400', async (subject) => {
    const answer = await replayed(subject);
    hold(answer.status === 400 || answer.status < 300, `the answer is ${show(answer)}`);
  }),
  must(clause, 'a request without a nonce is refused', async (subject) => {
    const client = await account(subject);
    refused('the request', await post(client, client.kid, undefined, { without: ['nonce'] }), 'badNonce', 'malformed');
  }),
  must(clause, 'a nonce that the server never gave is refused', async (subject) => {
    const client = await account(subject);
    const given = await freshNonce(subject.connection);
    const nonce = randomBytes(Math.max(16, Buffer.from(given, 'base64url').length)).toString('base64url');
    refused('the request', await post(client, client.kid, undefined, { header: { nonce } }), 'badNonce');
  }),
  must(clause, 'badNonce bears a fresh nonce that is taken', async (subject) => {
    const client = await account(subject);
    const answer = await post(client, client.kid, undefined, { header: { nonce: 'bm90LW9uZS1vZi15b3Vycw' } });
    const nonce = answer.headers['replay-nonce'];
    hold(nonce !== undefined, 'the refusal has no Replay-Nonce');
    const again = await post(client, client.kid, undefined, { header: { nonce } });
    // A server that refuses good nonces now and then gives another.
    if (errorOf(again) === 'badNonce')
      hold(
        again.headers['replay-nonce'] !== undefined && again.headers['replay-nonce'] !== nonce,
        `the fresh nonce is refused: ${show(again)}`,
      );
    else succeeded('a request with the fresh nonce', again);
  }),
  must(clause, 'of simultaneous requests with one nonce at most one succeeds', async (subject) => {
    const client = await account(subject);
    const nonce = await freshNonce(subject.connection);
    const bodies = await Promise.all(Array.from({ length: 5 }, () => seal(client, client.kid, undefined, { header: { nonce } })));
    const answers = await Promise.all(bodies.map((body) => send(subject.connection, client.kid, body)));
    const good = answers.filter(({ status }) => status < 300).length;
    hold(good <= 1, `${good} of 5 succeeded`);
  }),
  must(clause, 'a successful answer to a POST bears a nonce', async (subject) => {
    const client = await account(subject);
    const answer = succeeded('reading the account', await post(client, client.kid));
    hold(answer.headers['replay-nonce'] !== undefined, 'there is no Replay-Nonce');
  }),
  should(clause, 'a refusal bears a nonce', async (subject) => {
    const client = await account(subject);
    const answer = await post(client, resource(subject.connection, 'newOrder'), { identifiers: [{ type: 'unheard-of', value: 'x' }] });
    hold(answer.headers['replay-nonce'] !== undefined, `there is no Replay-Nonce: ${show(answer)}`);
  }),
  must(`${clause}.1`, 'nonces are base64url', async (subject) => {
    const client = await account(subject);
    const given = [await freshNonce(subject.connection), (await post(client, client.kid)).headers['replay-nonce']];
    for (const nonce of given) hold(nonce === undefined || /^[A-Za-z0-9_-]+$/.test(nonce), `a nonce is ${String(nonce)}`);
  }),
  must(clause, 'no nonce is given twice', async (subject) => {
    const given = await Promise.all(Array.from({ length: 8 }, () => freshNonce(subject.connection)));
    hold(new Set(given).size === given.length, `of ${given.length} nonces only ${new Set(given).size} differ`);
  }),
];
