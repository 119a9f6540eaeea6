import { account } from '../account.ts';
import { must, should, type Case } from '../case.ts';
import { post, resource } from '../client.ts';
import { firstAuthorization, orderPayload, placeOrder } from '../order.ts';
import { challengesOf, judged, offered, pathOf, present } from '../proof.ts';
import type { Identifier, Placed, Subject } from '../subject.ts';
import type { HttpAnswer } from '../transport.ts';
import { errorOf, hold, listOf, NotApplicable, objectOf, refused, show, succeeded } from '../verdict.ts';

const ip = (value: string): Identifier => ({ type: 'ip', value });

async function ordering(subject: Subject, value: string): Promise<HttpAnswer> {
  return post(await account(subject), resource(subject.connection, 'newOrder'), orderPayload(subject, [ip(value)]));
}

/** An order for an address of a documentation range, or the one that the suite was given. */
async function addressOrder(subject: Subject, value = subject.ip ?? '192.0.2.1'): Promise<Placed> {
  const answer = await ordering(subject, value);
  if (['unsupportedIdentifier', 'rejectedIdentifier', 'malformed'].includes(errorOf(answer))) {
    throw new NotApplicable(`the server takes no order for ${value}: ${show(answer)}`);
  }
  succeeded('newOrder', answer);
  return { url: answer.headers['location'] ?? '', body: objectOf(answer), identifiers: [ip(value)] };
}

export const ipIdentifiers: readonly Case[] = [
  ...['192.0.2.1', '2001:db8::1'].map((value) =>
    must('RFC 8738 §3', `an order for ${value} and its authorization name it so`, async (subject) => {
      const order = await addressOrder(subject, value);
      hold(JSON.stringify(listOf(order.body, 'identifiers')) === JSON.stringify([ip(value)]), `the order is ${JSON.stringify(order.body)}`);
      const { identifier } = objectOf(await post(await account(subject), firstAuthorization(order)));
      hold((identifier as Identifier | undefined)?.value === value, `the identifier is ${JSON.stringify(identifier)}`);
    }),
  ),
  should('RFC 8738 §3', 'a text that is no address is refused', async (subject) => {
    await addressOrder(subject);
    for (const value of ['192.0.2', '192.0.2.256', 'name.example', '192.0.2.0/24', ''])
      refused(`the address ${JSON.stringify(value)}`, await ordering(subject, value));
  }),
  must('RFC 8738 §5', 'http-01 for an address asks there, and the address is the Host', async (subject) => {
    const { ip: value } = subject;
    if (value === undefined) throw new NotApplicable('the suite was given no address that the server may validate');
    const client = await account(subject);
    const order = await placeOrder(subject, client, [ip(value)]);
    if (order.body['status'] !== 'pending') throw new NotApplicable('the server asks for no proof');
    const challenge = await offered(subject, client, firstAuthorization(order), 'http-01');
    await present(subject, challenge);
    const { status } = await judged(subject, client, challenge);
    hold(status === 'valid', `the authorization is ${String(status)}`);
    const visit = subject.http?.visits.find(({ path }) => path === pathOf(challenge));
    hold(visit?.host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '') === value, `Host was ${visit?.host ?? 'absent'}`);
  }),
  must('RFC 8738 §7', 'dns-01 is not offered for an address', async (subject) => {
    const order = await addressOrder(subject);
    const found = await challengesOf(await account(subject), firstAuthorization(order));
    hold(!found.some(({ type }) => String(type).startsWith('dns-')), `the challenges are ${JSON.stringify(found)}`);
  }),
];
