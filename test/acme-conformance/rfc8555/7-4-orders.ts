import { account } from '../account.ts';
import { must, should, type Case, type Run } from '../case.ts';
import { generalName, type CsrOptions } from '../certification-request.ts';
import { post, resource } from '../client.ts';
import { makeKey } from '../key.ts';
import { finish, orderPayload, pendingOrder, placeOrder, provenOrder, readyOrder, requestFor } from '../order.ts';
import { dns, freshName, type Identifier, type Subject } from '../subject.ts';
import type { HttpAnswer } from '../transport.ts';
import { hold, objectOf, refused, show, succeeded, textOf } from '../verdict.ts';

const clause = 'RFC 8555 §7.4';

async function ordering(subject: Subject, identifiers: unknown): Promise<HttpAnswer> {
  const payload = { ...orderPayload(subject, []), identifiers };
  return post(await account(subject), resource(subject.connection, 'newOrder'), payload);
}

/** A ready order is finalized with a CSR that does not fit. */
function unfit(
  names: (identifiers: readonly Identifier[], subject: Subject) => readonly Identifier[],
  options: (subject: Subject) => CsrOptions | Promise<CsrOptions> = () => ({}),
): Run {
  return async (subject) => {
    const client = await account(subject);
    const order = await readyOrder(subject);
    const csr = requestFor(names(order.identifiers, subject), await options(subject));
    refused('finalize', await post(client, textOf(order.body, 'finalize'), { csr }), 'badCSR', 'unauthorized', 'rejectedIdentifier');
  };
}

export const orders: readonly Case[] = [
  must(clause, 'a new order is answered with 201 and its URL', async (subject) => {
    const answer = succeeded('newOrder', await ordering(subject, [dns(freshName(subject))]), 201);
    hold(URL.canParse(answer.headers['location'] ?? ''), `Location is ${answer.headers['location'] ?? 'absent'}`);
  }),
  must(clause, 'the URL of an order is where it can be read', async (subject) => {
    const client = await account(subject);
    const order = await placeOrder(subject, client);
    const there = objectOf(succeeded('reading the order', await post(client, order.url), 200));
    hold(there['finalize'] === order.body['finalize'], `another order is there: ${JSON.stringify(there)}`);
  }),
  must(clause, 'an order without identifiers is refused', async (subject) => {
    refused('newOrder', await ordering(subject, []));
  }),
  should(clause, 'an identifier of an unknown type is unsupportedIdentifier', async (subject) => {
    refused('newOrder', await ordering(subject, [{ type: 'unheard-of', value: 'x' }]), 'unsupportedIdentifier');
  }),
  should(clause, 'a name that no DNS name can be is refused', async (subject) => {
    for (const value of [`a b.${subject.suffix}`, `a.${subject.suffix}:80`, `*.*.${subject.suffix}`, ''])
      refused(`the name ${JSON.stringify(value)}`, await ordering(subject, [dns(value)]));
  }),
  must(clause, 'an order that is not ready cannot be finalized: orderNotReady, 403', async (subject) => {
    const order = await pendingOrder(subject);
    const answer = await post(await account(subject), textOf(order.body, 'finalize'), { csr: requestFor(order.identifiers) });
    hold(answer.status === 403, `the answer is ${show(answer)}`);
    refused('finalize', answer, 'orderNotReady');
  }),
  must(
    clause,
    'a CSR with a name more than the order is refused',
    unfit((identifiers, subject) => [...identifiers, dns(freshName(subject))]),
  ),
  must(
    clause,
    'a CSR with another name than the order is refused',
    unfit((_, subject) => [dns(freshName(subject))]),
  ),
  must(
    clause,
    'a CSR with an address more than the order is refused',
    unfit(
      (identifiers) => identifiers,
      () => ({ extraNames: [generalName.ip([192, 0, 2, 1])] }),
    ),
  ),
  must(clause, 'a CSR with a name less than the order is refused', async (subject) => {
    const client = await account(subject);
    const [first, second] = [dns(freshName(subject)), dns(freshName(subject))];
    const order = await provenOrder(subject, client, [first, second]);
    refused('finalize', await post(client, textOf(order.body, 'finalize'), { csr: requestFor([first]) }), 'badCSR', 'unauthorized');
  }),
  must(
    clause,
    'a CSR whose signature is wrong is refused',
    unfit(
      (identifiers) => identifiers,
      () => ({ breakSignature: true }),
    ),
  ),
  must(clause, 'a CSR that is no CSR is refused', async (subject) => {
    const order = await readyOrder(subject);
    refused('finalize', await post(await account(subject), textOf(order.body, 'finalize'), { csr: 'bm8gQ1NS' }), 'badCSR', 'malformed');
  }),
  should(
    'RFC 8555 §11.1',
    'a CSR whose key is the account’s is refused',
    unfit(
      (identifiers) => identifiers,
      async (subject) => ({ keyPair: (await account(subject)).key }),
    ),
  ),
  must(clause, 'finalize is answered with the order', async (subject) => {
    const client = await account(subject);
    const order = await provenOrder(subject, client);
    const csr = requestFor(order.identifiers, { keyPair: makeKey() });
    const { status } = objectOf(succeeded('finalize', await post(client, textOf(order.body, 'finalize'), { csr }), 200));
    hold(['processing', 'valid', 'ready'].includes(String(status)), `the order is ${String(status)}`);
  }),
  must(clause, 'a finalized order becomes valid and names its certificate', async (subject) => {
    const client = await account(subject);
    const { certificate } = await finish(subject, client, await provenOrder(subject, client));
    hold(URL.canParse(certificate), `certificate is ${certificate}`);
  }),
  must(clause, 'an order that is valid is not finalized again', async (subject) => {
    const client = await account(subject);
    const { order } = await finish(subject, client, await provenOrder(subject, client));
    const again = await post(client, textOf(order.body, 'finalize'), { csr: requestFor(order.identifiers) });
    refused('the second finalize', again, 'orderNotReady', 'malformed');
  }),
  must(`${clause}.1`, 'newAuthz makes a pending authorization and gives its URL', async (subject) => {
    const url = resource(subject.connection, 'newAuthz');
    const answer = succeeded('newAuthz', await post(await account(subject), url, { identifier: dns(freshName(subject)) }), 201);
    hold(answer.headers['location'] !== undefined && objectOf(answer)['status'] === 'pending', `the answer is ${show(answer)}`);
  }),
  must(`${clause}.1`, 'newAuthz takes no wildcard', async (subject) => {
    const url = resource(subject.connection, 'newAuthz');
    refused('newAuthz', await post(await account(subject), url, { identifier: dns(`*.${freshName(subject)}`) }));
  }),
];
