import { account } from '../account.ts';
import { must, should, slow, type Case } from '../case.ts';
import { isProven, isRefuted, tried } from '../attempt.ts';
import { post, resource } from '../client.ts';
import { firstAuthorization, orderPayload, wantingProof } from '../order.ts';
import { challengesOf, judged, offered, pathOf, present } from '../proof.ts';
import { freshName, type Subject } from '../subject.ts';
import { hold, NotApplicable, objectOf, show } from '../verdict.ts';

const http = 'RFC 8555 §8.3';
const dns = 'RFC 8555 §8.4';

/** Tokens of challenges that were just made. */
async function tokens(subject: Subject): Promise<readonly string[]> {
  const client = await account(subject);
  const found: string[] = [];
  for (let orders = 0; orders < 2; orders++) {
    for (const { token } of await challengesOf(client, firstAuthorization(await wantingProof(subject, client)))) {
      if (typeof token === 'string') found.push(token);
    }
  }
  if (found.length === 0) throw new NotApplicable('the server offers no challenge with a token');
  return found;
}

export const challenges: readonly Case[] = [
  must('RFC 8555 §8', 'tokens are base64url without padding', async (subject) => {
    for (const token of await tokens(subject)) hold(/^[A-Za-z0-9_-]+$/.test(token), `a token is ${token}`);
  }),
  must('RFC 8555 §8', 'tokens have room for 128 bits', async (subject) => {
    for (const token of await tokens(subject)) hold(token.length >= 22, `a token has ${token.length} characters`);
  }),
  must('RFC 8555 §8', 'no token is given for two orders', async (subject) => {
    const found = await tokens(subject);
    // One authorization may give one token to all its challenges.
    const client = await account(subject);
    const later = await challengesOf(client, firstAuthorization(await wantingProof(subject, client)));
    hold(!later.some(({ token }) => typeof token === 'string' && found.includes(token)), 'a token was given before');
  }),
  must(http, 'http-01 with the key authorization proves a name', async (subject) => isProven(await tried(subject, 'http-01'))),
  must(http, 'http-01 asks by GET for the token under .well-known, at the name', async (subject) => {
    const { challenge } = await tried(subject, 'http-01');
    const visit = subject.http?.visits.find(({ path }) => path === pathOf(challenge));
    hold(visit?.method === 'GET', `the request was ${visit?.method ?? 'none'}`);
    hold(visit.host.replace(/:\d+$/, '') === challenge.identifier.value, `Host was ${visit.host}, not ${challenge.identifier.value}`);
  }),
  should(http, 'http-01 ignores white space after the key authorization', async (subject) =>
    isProven(await tried(subject, 'http-01', ({ keyAuthorization }) => ({ text: `${keyAuthorization}\r\n ` }))),
  ),
  should(http, 'http-01 follows a redirect', async (subject) =>
    isProven(
      await tried(subject, 'http-01', (challenge) => {
        const moved = `${pathOf(challenge)}-moved`;
        subject.http?.resources.set(moved, { body: challenge.keyAuthorization });
        return { http: { location: moved } };
      }),
    ),
  ),
  slow(
    must(http, 'http-01 with another text proves nothing', async (subject) =>
      isRefuted(await tried(subject, 'http-01', () => ({ text: 'something else' }))),
    ),
  ),
  slow(
    must('RFC 8555 §8.1', 'http-01 with another key’s authorization proves nothing', async (subject) =>
      isRefuted(await tried(subject, 'http-01', ({ token }) => ({ text: `${token}.${'A'.repeat(43)}` }))),
    ),
  ),
  slow(
    must(http, 'http-01 with nothing there proves nothing', async (subject) =>
      isRefuted(await tried(subject, 'http-01', () => ({ http: {} }))),
    ),
  ),
  must(dns, 'dns-01 with the digest among other records proves a name', async (subject) => isProven(await tried(subject, 'dns-01'))),
  must(dns, 'dns-01 proves a name and its wildcard by two records of one name', async (subject) => {
    const client = await account(subject);
    const base = freshName(subject);
    const identifiers = [base, `*.${base}`].map((value) => ({ type: 'dns', value }));
    const order = await post(client, resource(subject.connection, 'newOrder'), orderPayload(subject, identifiers));
    if (order.status >= 400) throw new NotApplicable(`the server refuses wildcards: ${show(order)}`);
    const { status, authorizations } = objectOf(order);
    if (status !== 'pending') throw new NotApplicable('the server asks for no proof');
    const found = await Promise.all((authorizations as readonly string[]).map((url) => offered(subject, client, url, 'dns-01')));
    for (const challenge of found) await present(subject, challenge);
    for (const challenge of found) isProven({ authorization: await judged(subject, client, challenge) });
  }),
  must(dns, 'dns-01 asks for TXT records of _acme-challenge below the name', async (subject) => {
    const { challenge } = await tried(subject, 'dns-01');
    const question = `TXT _acme-challenge.${challenge.identifier.value}`;
    hold(subject.zone?.asked.includes(question) === true, `nobody asked for ${question}`);
  }),
  slow(
    must(dns, 'dns-01 with another digest proves nothing', async (subject) =>
      isRefuted(await tried(subject, 'dns-01', () => ({ text: 'something else' }))),
    ),
  ),
];
