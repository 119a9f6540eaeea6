import { account, stranger } from '../account.ts';
import { must, should, type Case } from '../case.ts';
import { post } from '../client.ts';
import { certificate, firstAuthorization, readyOrder } from '../order.ts';
import { challengesOf } from '../proof.ts';
import type { Subject } from '../subject.ts';
import { hold, objectOf, refused, show, succeeded, textOf } from '../verdict.ts';

const clause = 'RFC 8555 §6.3';

const resources: readonly (readonly [what: string, url: (subject: Subject) => Promise<string>])[] = [
  ['an account', async (subject) => (await account(subject)).kid],
  ['an order', async (subject) => (await readyOrder(subject)).url],
  ['an authorization', async (subject) => firstAuthorization(await readyOrder(subject))],
  [
    'a challenge',
    async (subject) => {
      const [challenge] = await challengesOf(await account(subject), firstAuthorization(await readyOrder(subject)));
      hold(challenge !== undefined, 'an authorization should have a challenge');
      return textOf(challenge, 'url');
    },
  ],
];

export const postAsGet: readonly Case[] = [
  ...resources.map(([what, url]) =>
    must(clause, `${what} is read by an empty payload`, async (subject) => {
      objectOf(succeeded('POST-as-GET', await post(await account(subject), await url(subject)), 200));
    }),
  ),
  must(clause, 'the directory is read by POST-as-GET, too', async (subject) => {
    const directory = objectOf(succeeded('POST-as-GET', await post(await account(subject), subject.directoryUrl), 200));
    hold('newOrder' in directory, 'the answer should be the directory');
  }),
  must(clause, 'newNonce is read by POST-as-GET, too', async (subject) => {
    succeeded('POST-as-GET', await post(await account(subject), textOf(subject.connection.directory, 'newNonce')));
  }),
  ...resources.map(([what, url]) =>
    must(clause, `${what} is not to be had by GET: 405`, async (subject) => {
      const answer = await subject.connection.transport({ url: await url(subject), method: 'GET', headers: {} });
      hold(answer.status === 405, `GET is answered with ${show(answer)}`);
    }),
  ),
  ...resources.map(([what, url]) =>
    must(clause, `${what} is not shown to another account`, async (subject) => {
      const there = await url(subject);
      const own = objectOf(await post(await account(subject), there));
      const answer = await post(await stranger(subject), there);
      // A server may show who asks what is his own instead.
      hold(answer.status >= 400 || objectOf(answer)['orders'] !== own['orders'], `another account is shown ${show(answer)}`);
    }),
  ),
  must(clause, 'a certificate is not shown to another account', async (subject) => {
    refused('another account', await post(await stranger(subject), (await certificate(subject)).certificate));
  }),
  should(clause, 'an order is not read by a payload that is an object', async (subject) => {
    const { url } = await readyOrder(subject);
    refused('the request', await post(await account(subject), url, {}), 'malformed');
  }),
];
