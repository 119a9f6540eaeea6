import { randomBytes } from 'node:crypto';
import { accountPayload, binding, register } from '../account.ts';
import { must, type Case } from '../case.ts';
import { post, resource, type Client } from '../client.ts';
import { makeKey } from '../key.ts';
import { newClient, type ExternalAccount, type Subject } from '../subject.ts';
import { hold, NotApplicable, refused, type JsonObject } from '../verdict.ts';

const clause = 'RFC 8555 §7.3.4';

type Changed = (external: ExternalAccount, newAccount: string, client: Client) => JsonObject | undefined;

/** A registration with a binding that is not right. */
function wrong(title: string, changed: Changed): Case {
  return must(clause, title, async (subject) => {
    if (subject.externalAccount === undefined) throw new NotApplicable('the suite was given no external account');
    const client = newClient(subject);
    const newAccount = resource(subject.connection, 'newAccount');
    const externalAccountBinding = changed(subject.externalAccount, newAccount, client);
    refused('newAccount', await post(client, newAccount, { ...accountPayload(subject, client), externalAccountBinding }));
  });
}

function wanted({ connection }: Subject): boolean {
  return ((connection.directory['meta'] ?? {}) as JsonObject)['externalAccountRequired'] === true;
}

export const externalAccounts: readonly Case[] = [
  must(clause, 'a server that wants a binding refuses an account without: externalAccountRequired', async (subject) => {
    if (!wanted(subject)) throw new NotApplicable('the server wants no external account');
    const answer = await post(newClient(subject), resource(subject.connection, 'newAccount'), { termsOfServiceAgreed: true });
    refused('newAccount', answer, 'externalAccountRequired');
  }),
  must(clause, 'an account with a right binding is made', async (subject) => {
    if (subject.externalAccount === undefined) throw new NotApplicable('the suite was given no external account');
    hold((await register(subject)).kid !== '', 'the account has no URL');
  }),
  wrong('a binding whose MAC is by another key is refused', (external, url, client) =>
    binding(external, url, client.key.jwk, { hmac: randomBytes(32) }),
  ),
  wrong('a binding for another URL is refused', (external, url, client) =>
    binding(external, url, client.key.jwk, { header: { url: `${url}/elsewhere` } }),
  ),
  wrong('a binding of an unknown kid is refused', (external, url, client) =>
    binding(external, url, client.key.jwk, { header: { kid: 'unheard-of' } }),
  ),
  wrong('a binding for another account key is refused', (external, url) => binding(external, url, makeKey().jwk)),
  wrong('a binding with a nonce is refused', (external, url, client) =>
    binding(external, url, client.key.jwk, { header: { nonce: 'bm9uY2U' } }),
  ),
  wrong('a binding whose alg is no MAC is refused', (external, url, client) =>
    binding(external, url, client.key.jwk, { header: { alg: 'ES256' } }),
  ),
];
