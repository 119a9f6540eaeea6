import { account } from '../account.ts';
import { must, should, type Case } from '../case.ts';
import { post, resource } from '../client.ts';
import { firstAuthorization, pendingOrder, placeOrder, provenOrder, readyOrder } from '../order.ts';
import { dns, freshName, type Identifier, type Subject } from '../subject.ts';
import { hold, linksOf, listOf, NotApplicable, objectOf, show, succeeded, textOf, textsOf, timeOf, type JsonObject } from '../verdict.ts';

const clause = 'RFC 8555 §7.1';

async function read(subject: Subject, url: string): Promise<JsonObject> {
  return objectOf(succeeded(`reading ${url}`, await post(await account(subject), url), 200));
}

const orderStatuses = ['pending', 'ready', 'processing', 'valid', 'invalid'];
const authorizationStatuses = ['pending', 'valid', 'invalid', 'deactivated', 'expired', 'revoked'];
const challengeStatuses = ['pending', 'processing', 'valid', 'invalid'];

function isUrl(value: unknown): boolean {
  return typeof value === 'string' && URL.canParse(value);
}

const sorted = (identifiers: readonly unknown[]): string =>
  (identifiers as readonly Identifier[])
    .map(({ type, value }) => `${type}:${value}`)
    .sort()
    .join(' ');

/** A page of orders, and where the next is. */
async function pageOfOrders(
  subject: Subject,
  url: string,
): Promise<{ readonly orders: readonly string[]; readonly next: string | undefined }> {
  const answer = succeeded('reading the list of orders', await post(await account(subject), url), 200);
  return { orders: textsOf(objectOf(answer), 'orders'), next: linksOf(answer, 'next')[0] };
}

async function listOfOrders(subject: Subject): Promise<string> {
  const { orders } = await read(subject, (await account(subject)).kid);
  if (typeof orders !== 'string') throw new NotApplicable('the account object names no list of orders');
  return orders;
}

export const resources: readonly Case[] = [
  must(clause, 'answers link to the directory as index', async (subject) => {
    const client = await account(subject);
    const order = await readyOrder(subject);
    const { transport } = subject.connection;
    const answers = [
      await post(client, client.kid),
      await post(client, order.url),
      await transport({ url: resource(subject.connection, 'newNonce'), method: 'HEAD', headers: {} }),
    ];
    for (const answer of answers) {
      const [index] = linksOf(answer, 'index');
      hold(isUrl(index), `an answer has no link to the index: ${answer.headers['link'] ?? 'no Link'}`);
    }
  }),
  must(
    `${clause}.1`,
    'the directory names newNonce, newAccount, newOrder, revokeCert and keyChange by URL',
    async ({ connection: { directory } }) => {
      for (const name of ['newNonce', 'newAccount', 'newOrder', 'revokeCert', 'keyChange'])
        hold(isUrl(directory[name]), `${name} is ${JSON.stringify(directory[name])}`);
    },
  ),
  must(`${clause}.1`, 'the members of meta have the types that they should have', async ({ connection: { directory } }) => {
    const meta = (directory['meta'] ?? {}) as JsonObject;
    hold(typeof meta === 'object', 'meta is no object');
    for (const name of ['termsOfService', 'website'])
      hold(meta[name] === undefined || isUrl(meta[name]), `${name} is ${JSON.stringify(meta[name])}`);
    if (meta['caaIdentities'] !== undefined) textsOf(meta, 'caaIdentities');
    hold(['undefined', 'boolean'].includes(typeof meta['externalAccountRequired']), 'externalAccountRequired is no boolean');
  }),
  must(`${clause}.2`, 'an account object has a status', async (subject) => {
    const status = textOf(await read(subject, (await account(subject)).kid), 'status');
    hold(status === 'valid', `the status of a valid account is ${status}`);
  }),
  must(`${clause}.2`, 'an account object names its list of orders', async (subject) => {
    const { orders } = await read(subject, (await account(subject)).kid);
    hold(isUrl(orders), `orders is ${JSON.stringify(orders)}`);
  }),
  must(`${clause}.2.1`, 'the list of orders is an array of URLs', async (subject) => {
    const { orders } = await pageOfOrders(subject, await listOfOrders(subject));
    hold(orders.every(isUrl), `the list is ${JSON.stringify(orders)}`);
  }),
  should(`${clause}.2.1`, 'an order that is not finalized yet is in the list', async (subject) => {
    const first = await listOfOrders(subject);
    const { url } = await readyOrder(subject);
    for (let next: string | undefined = first, pages = 0; next !== undefined && pages < 100; pages++) {
      const page = await pageOfOrders(subject, next);
      if (page.orders.includes(url)) return;
      next = page.next;
    }
    hold(false, `the list does not have ${url}`);
  }),
  must(`${clause}.3`, 'an order has status, identifiers, authorizations and finalize', async (subject) => {
    const order = await read(subject, (await readyOrder(subject)).url);
    hold(orderStatuses.includes(textOf(order, 'status')), `the status is ${textOf(order, 'status')}`);
    listOf(order, 'identifiers');
    hold(textsOf(order, 'authorizations').every(isUrl) && isUrl(order['finalize']), 'authorizations and finalize should be URLs');
  }),
  must(`${clause}.3`, 'an order has the identifiers that were asked for', async (subject) => {
    const order = await readyOrder(subject);
    const there = listOf(await read(subject, order.url), 'identifiers');
    hold(sorted(there) === sorted(order.identifiers), `the identifiers are ${JSON.stringify(there)}`);
  }),
  must(`${clause}.3`, 'an order that is pending or valid says when it expires', async (subject) => {
    const expires = timeOf(await read(subject, (await pendingOrder(subject)).url), 'expires');
    hold(expires.getTime() > Date.now(), `expires is ${expires.toISOString()}`);
  }),
  must(`${clause}.3`, 'an order for several names has an authorization for each', async (subject) => {
    const identifiers = [dns(freshName(subject)), dns(freshName(subject))];
    const order = await placeOrder(subject, await account(subject), identifiers);
    const found = await Promise.all(textsOf(order.body, 'authorizations').map(async (url) => (await read(subject, url))['identifier']));
    hold(sorted(found) === sorted(identifiers), `the authorizations are for ${JSON.stringify(found)}`);
  }),
  must(`${clause}.4`, 'an authorization has identifier, status and challenges', async (subject) => {
    const order = await readyOrder(subject);
    const authorization = await read(subject, firstAuthorization(order));
    hold(
      sorted([authorization['identifier']]) === sorted(order.identifiers),
      `the identifier is ${JSON.stringify(authorization['identifier'])}`,
    );
    hold(authorizationStatuses.includes(textOf(authorization, 'status')), `the status is ${textOf(authorization, 'status')}`);
    hold(listOf(authorization, 'challenges').length > 0, 'there are no challenges');
  }),
  must(`${clause}.4`, 'a valid authorization says when it expires', async (subject) => {
    const authorization = await read(subject, firstAuthorization(await readyOrder(subject)));
    if (authorization['status'] !== 'valid') throw new NotApplicable('the order is ready without a valid authorization');
    timeOf(authorization, 'expires');
  }),
  must(`${clause}.4`, 'the authorization of a wildcard bears the name without *. and wildcard true', async (subject) => {
    const base = freshName(subject);
    const client = await account(subject);
    const answer = await post(client, resource(subject.connection, 'newOrder'), {
      ...(subject.profile !== undefined && { profile: subject.profile }),
      identifiers: [dns(`*.${base}`)],
    });
    if (answer.status >= 400) throw new NotApplicable(`the server refuses wildcards: ${show(answer)}`);
    const [url] = textsOf(objectOf(answer), 'authorizations');
    hold(url !== undefined, 'the order has no authorization');
    const authorization = await read(subject, url);
    hold(sorted([authorization['identifier']]) === sorted([dns(base)]), `the identifier is ${JSON.stringify(authorization['identifier'])}`);
    hold(authorization['wildcard'] === true, `wildcard is ${JSON.stringify(authorization['wildcard'])}`);
  }),
  must(`${clause}.4`, 'an authorization that is no wildcard does not say so', async (subject) => {
    const { wildcard } = await read(subject, firstAuthorization(await readyOrder(subject)));
    hold(wildcard === undefined || wildcard === false, `wildcard is ${JSON.stringify(wildcard)}`);
  }),
  must(`${clause}.5`, 'a challenge has type, url and status, and when it is valid the time of that', async (subject) => {
    const challenges = listOf(await read(subject, firstAuthorization(await readyOrder(subject))), 'challenges') as readonly JsonObject[];
    for (const challenge of challenges) {
      textOf(challenge, 'type');
      hold(isUrl(challenge['url']), `url is ${JSON.stringify(challenge['url'])}`);
      hold(challengeStatuses.includes(textOf(challenge, 'status')), `the status is ${textOf(challenge, 'status')}`);
      if (challenge['status'] === 'valid') timeOf(challenge, 'validated');
    }
  }),
  must(`${clause}.6`, 'an order whose authorizations are pending is pending, as are their challenges', async (subject) => {
    const authorization = await read(subject, firstAuthorization(await pendingOrder(subject)));
    hold(authorization['status'] === 'pending', `the authorization of a pending order is ${String(authorization['status'])}`);
    for (const { status } of listOf(authorization, 'challenges') as readonly JsonObject[])
      hold(status === 'pending', `a challenge that nobody answered is ${String(status)}`);
  }),
  must(`${clause}.6`, 'an order whose authorizations are all valid is ready', async (subject) => {
    const client = await account(subject);
    const order = await provenOrder(subject, client, [dns(freshName(subject)), dns(freshName(subject))]);
    for (const url of textsOf(order.body, 'authorizations')) {
      const { status } = await read(subject, url);
      hold(status === 'valid', `an authorization of a ready order is ${String(status)}`);
    }
  }),
];
