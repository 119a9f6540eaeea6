import { account } from '../account.ts';
import { must, type Case } from '../case.ts';
import { post } from '../client.ts';
import { refused } from '../verdict.ts';

const clause = 'RFC 8555 §6.4';

const changes: readonly (readonly [what: string, change: (url: string) => string])[] = [
  ['path', (url) => url.replace(/\/[^/]*$/, '/elsewhere')],
  ['host', (url) => url.replace(/^(https?:\/\/)[^/]+/, '$1elsewhere.example')],
  ['query', (url) => `${url}?x=1`],
  ['trailing slash', (url) => `${url}/`],
];

export const requestUrl: readonly Case[] = [
  ...changes.map(([what, change]) =>
    must(clause, `a url that differs in its ${what} is unauthorized`, async (subject) => {
      const client = await account(subject);
      refused('the request', await post(client, client.kid, undefined, { header: { url: change(client.kid) } }), 'unauthorized');
    }),
  ),
  must(clause, 'a request without url is refused', async (subject) => {
    const client = await account(subject);
    refused('the request', await post(client, client.kid, undefined, { without: ['url'] }));
  }),
];
