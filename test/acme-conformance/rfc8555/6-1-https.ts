import { account } from '../account.ts';
import { must, should, type Case } from '../case.ts';
import { post, resource } from '../client.ts';
import { readyOrder, requestFor } from '../order.ts';
import { hold, refused, textOf } from '../verdict.ts';

const clause = 'RFC 8555 §6.1';

export const httpsRequests: readonly Case[] = [
  must(clause, 'every URL of the directory is https', async ({ connection }) => {
    for (const [name, url] of Object.entries(connection.directory)) {
      if (name !== 'meta' && typeof url === 'string') hold(url.startsWith('https://'), `${name} is ${url}`);
    }
  }),
  should(clause, 'scripts of any origin may read the directory', async ({ directoryAnswer }) => {
    const allowed = directoryAnswer.headers['access-control-allow-origin'];
    hold(allowed === '*', `Access-Control-Allow-Origin is ${allowed ?? 'absent'}`);
  }),
  must(clause, 'base64url with padding is refused in the JWS', async (subject) => {
    const client = await account(subject);
    const rewrite = (jws: { readonly protected: string; readonly payload: string; readonly signature: string }): object => ({
      ...jws,
      signature: `${jws.signature}==`,
    });
    refused('a padded signature', await post(client, client.kid, undefined, { rewrite }));
  }),
  must(clause, 'base64url with padding is refused in a CSR', async (subject) => {
    const client = await account(subject);
    const order = await readyOrder(subject);
    // Signatures differ in length, so that some text wants padding.
    const texts = Array.from({ length: 64 }, () => requestFor(order.identifiers));
    const csr = texts.find((text) => text.length % 4 !== 0) ?? '';
    const padded = csr.padEnd(csr.length + (4 - (csr.length % 4)), '=');
    refused('a padded CSR', await post(client, textOf(order.body, 'finalize'), { csr: padded }));
  }),
  must(clause, 'the directory answers to a GET without a signature', async ({ connection, directoryAnswer }) => {
    hold(directoryAnswer.status === 200, `the directory is answered with ${directoryAnswer.status}`);
    const answer = await connection.transport({ url: resource(connection, 'newNonce'), method: 'GET', headers: {} });
    hold(answer.status < 300, `newNonce is answered with ${answer.status}`);
  }),
];
