import { account } from './account.ts';
import { makeCsr, type CsrOptions } from './certification-request.ts';
import { post, resource, settled, type Client } from './client.ts';
import { base64url, makeKey } from './key.ts';
import { prove } from './proof.ts';
import { dns, freshName, type Identifier, type Issued, type Placed, type Subject } from './subject.ts';
import { hold, NotApplicable, objectOf, succeeded, textOf, textsOf, type JsonObject } from './verdict.ts';

export function orderPayload(subject: Subject, identifiers: readonly Identifier[]): JsonObject {
  return { identifiers, ...(subject.profile !== undefined && { profile: subject.profile }) };
}

/** Orders; without identifiers for one fresh name. */
export async function placeOrder(
  subject: Subject,
  client: Client,
  given: readonly Identifier[] = [],
  more: JsonObject = {},
): Promise<Placed> {
  const identifiers = given.length > 0 ? given : [dns(freshName(subject))];
  const payload = { ...orderPayload(subject, identifiers), ...more };
  const answer = succeeded('newOrder', await post(client, resource(subject.connection, 'newOrder'), payload));
  hold(answer.headers['location'] !== undefined, 'newOrder should give a Location');
  return { url: answer.headers['location'], body: objectOf(answer), identifiers };
}

/** An order of the shared account that still wants proof, kept for further cases. */
export function pendingOrder(subject: Subject): Promise<Placed> {
  return keep(subject, 'pending', () => account(subject).then((client) => wantingProof(subject, client)));
}

/** An order of its own that wants proof. */
export async function wantingProof(subject: Subject, client: Client): Promise<Placed> {
  const order = await placeOrder(subject, client);
  if (order.body['status'] !== 'pending') throw new NotApplicable('the server asks for no proof');
  return order;
}

/** An order of the shared account that may be finalized, kept for further cases. */
export function readyOrder(subject: Subject): Promise<Placed> {
  return keep(subject, 'ready', () => account(subject).then((client) => provenOrder(subject, client)));
}

/** Orders and proves. */
export async function provenOrder(
  subject: Subject,
  client: Client,
  identifiers: readonly Identifier[] = [],
  more: JsonObject = {},
): Promise<Placed> {
  const order = await placeOrder(subject, client, identifiers, more);
  await prove(subject, client, order.body);
  const body = await settled(client, order.url, ['pending'], subject.patience);
  hold(body['status'] === 'ready', `a proven order should be ready, not ${JSON.stringify(body)}`);
  return { ...order, body };
}

async function keep(subject: Subject, status: 'ready' | 'pending', make: () => Promise<Placed>): Promise<Placed> {
  const kept = subject.shared[status];
  if (kept !== undefined) {
    const [client, order] = await Promise.all([account(subject), kept]);
    const now = objectOf(await post(client, order.url));
    if (now['status'] === status) return order;
  }
  return (subject.shared[status] = make());
}

/** A CSR for an order, base64url. */
export function requestFor(identifiers: readonly Identifier[], options: CsrOptions = {}): string {
  const names = identifiers.map(({ value }) => value);
  return base64url(makeCsr(names, options).csr);
}

/** The first certificate of an account, kept; it is never revoked. */
export function certificate(subject: Subject): Promise<Issued> {
  return (subject.shared.certificate ??= account(subject).then((client) => issue(subject, client)));
}

/** The whole way to a certificate. */
export async function issue(
  subject: Subject,
  client: Client,
  identifiers: readonly Identifier[] = [],
  more: JsonObject = {},
): Promise<Issued> {
  return finish(subject, client, await provenOrder(subject, client, identifiers, more));
}

/** Finalizes and downloads. */
export async function finish(subject: Subject, client: Client, order: Placed): Promise<Issued> {
  const key = makeKey();
  const csr = requestFor(order.identifiers, { keyPair: key });
  succeeded('finalize', await post(client, textOf(order.body, 'finalize'), { csr }));
  const body = await settled(client, order.url, ['processing', 'ready'], subject.patience);
  hold(body['status'] === 'valid', `a finalized order should become valid, not ${JSON.stringify(body)}`);
  const url = textOf(body, 'certificate');
  const download = succeeded('the download', await post(client, url), 200);
  return { order: { ...order, body }, certificate: url, download, key };
}

/** The URL of the first authorization. */
export function firstAuthorization({ body }: Placed): string {
  const [first] = textsOf(body, 'authorizations');
  hold(first !== undefined, 'an order should have an authorization');
  return first;
}
