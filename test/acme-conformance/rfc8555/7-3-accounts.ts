import { account, accountPayload, register } from '../account.ts';
import { must, should, type Case } from '../case.ts';
import { post, resource, type Client } from '../client.ts';
import { newClient, type Subject } from '../subject.ts';
import type { HttpAnswer } from '../transport.ts';
import { errorOf, hold, NotApplicable, objectOf, refused, show, succeeded, type JsonObject } from '../verdict.ts';

const clause = 'RFC 8555 §7.3';
const operator = 'mailto:operator@example.com';
const security = 'mailto:security@example.com';

/** A newAccount request of a key that has none. */
async function asking(subject: Subject, more: JsonObject, client = newClient(subject)): Promise<HttpAnswer> {
  return post(client, resource(subject.connection, 'newAccount'), { ...accountPayload(subject, client), ...more });
}

/** Registers, for servers that keep contacts. */
async function withContact(subject: Subject): Promise<Client> {
  const client = await register(subject, newClient(subject), { contact: [operator] });
  await contactsOf(client);
  return client;
}

async function contactsOf(client: Client): Promise<readonly unknown[]> {
  const { contact } = objectOf(succeeded('reading the account', await post(client, client.kid), 200));
  if (!Array.isArray(contact)) throw new NotApplicable('the server keeps no contacts');
  return contact as readonly unknown[];
}

export const accounts: readonly Case[] = [
  must(clause, 'a new account is answered with 201, its URL and the object', async (subject) => {
    const answer = succeeded('newAccount', await asking(subject, {}), 201);
    hold(URL.canParse(answer.headers['location'] ?? ''), `Location is ${answer.headers['location'] ?? 'absent'}`);
    hold(objectOf(answer)['status'] === 'valid', `the account is ${show(answer)}`);
  }),
  must(clause, 'orders and unknown members of the request are ignored', async (subject) => {
    const client = newClient(subject);
    const answer = succeeded(
      'newAccount',
      await asking(subject, { orders: 'https://elsewhere.example/orders', unheardOf: { of: 1 } }, client),
    );
    hold(!answer.body.includes('elsewhere.example') && !answer.body.includes('unheardOf'), `the account took them over: ${show(answer)}`);
  }),
  must(clause, 'a contact of an unknown scheme is unsupportedContact', async (subject) => {
    refused('newAccount', await asking(subject, { contact: ['unheard-of:someone'] }), 'unsupportedContact');
  }),
  should(clause, 'a mailto contact with header fields is invalidContact', async (subject) => {
    refused('newAccount', await asking(subject, { contact: [`${operator}?subject=x`] }), 'invalidContact');
  }),
  should(clause, 'a mailto contact of two addresses is invalidContact', async (subject) => {
    refused('newAccount', await asking(subject, { contact: [`${operator},other@example.com`] }), 'invalidContact');
  }),
  must(clause, 'where there are terms of service, an account must agree to them', async (subject) => {
    const meta = (subject.connection.directory['meta'] ?? {}) as JsonObject;
    if (meta['termsOfService'] === undefined) throw new NotApplicable('the server has no terms of service');
    refused('newAccount', await asking(subject, { termsOfServiceAgreed: false }));
  }),
  must(`${clause}.1`, 'a known key is answered with 200 and the URL of its account', async (subject) => {
    const known = await account(subject);
    const answer = succeeded('newAccount', await asking(subject, {}, newClient(subject, known.key)), 200);
    hold(answer.headers['location'] === known.kid, `Location is ${answer.headers['location'] ?? 'absent'}, not ${known.kid}`);
  }),
  must(`${clause}.1`, 'onlyReturnExisting finds the account of a known key', async (subject) => {
    const known = await account(subject);
    const answer = succeeded('newAccount', await asking(subject, { onlyReturnExisting: true }, newClient(subject, known.key)), 200);
    hold(answer.headers['location'] === known.kid, `Location is ${answer.headers['location'] ?? 'absent'}, not ${known.kid}`);
  }),
  must(`${clause}.1`, 'onlyReturnExisting with an unknown key is accountDoesNotExist, status 400', async (subject) => {
    const answer = await asking(subject, { onlyReturnExisting: true });
    refused('newAccount', answer, 'accountDoesNotExist');
    hold(answer.status === 400, `the answer is ${show(answer)}`);
  }),
  must(`${clause}.1`, 'onlyReturnExisting makes no account', async (subject) => {
    const client = newClient(subject);
    await asking(subject, { onlyReturnExisting: true }, client);
    const again = await asking(subject, { onlyReturnExisting: true }, client);
    hold(again.status >= 400, `the first request made an account: ${show(again)}`);
  }),
  must(`${clause}.2`, 'contacts may be changed, and the new ones are read afterwards', async (subject) => {
    const client = await withContact(subject);
    succeeded('the update', await post(client, client.kid, { contact: [security] }), 200);
    const now = await contactsOf(client);
    hold(now.length === 1 && now[0] === security, `the contacts are ${JSON.stringify(now)}`);
  }),
  must(`${clause}.2`, 'unknown members of an update are ignored', async (subject) => {
    const client = await withContact(subject);
    const answer = succeeded(
      'the update',
      await post(client, client.kid, { contact: [security], unheardOf: 1, orders: 'https://elsewhere.example/orders' }),
      200,
    );
    hold(!answer.body.includes('elsewhere.example') && !answer.body.includes('unheardOf'), `the account took them over: ${show(answer)}`);
  }),
  should(`${clause}.2`, 'an account is not changed by another', async (subject) => {
    const [client, other] = [await withContact(subject), await register(subject)];
    await post(other, client.kid, { contact: [security] });
    const now = await contactsOf(client);
    hold(now[0] === operator, `the contacts are ${JSON.stringify(now)}`);
  }),
  must(`${clause}.6`, 'a deactivated account is answered as deactivated', async (subject) => {
    const client = await register(subject);
    const answer = succeeded('the deactivation', await post(client, client.kid, { status: 'deactivated' }), 200);
    hold(objectOf(answer)['status'] === 'deactivated', `the answer is ${show(answer)}`);
  }),
  must(`${clause}.6`, 'a deactivated account is refused everything: unauthorized, 401', async (subject) => {
    const client = await register(subject);
    succeeded('the deactivation', await post(client, client.kid, { status: 'deactivated' }), 200);
    const payload = { identifiers: [{ type: 'dns', value: `gone.${subject.suffix}` }] };
    for (const answer of [await post(client, client.kid), await post(client, resource(subject.connection, 'newOrder'), payload)]) {
      hold(answer.status === 401 && errorOf(answer) === 'unauthorized', `the answer is ${show(answer)}`);
    }
  }),
];
