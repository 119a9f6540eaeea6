import type { X509Certificate } from 'node:crypto';
import { account } from '../account.ts';
import { must, should, type Case } from '../case.ts';
import { chainOf, leafOf } from '../certificate.ts';
import { post, resource, settled, type Client } from '../client.ts';
import { base64url, makeKey, type Key } from '../key.ts';
import { placeOrder, provenOrder, requestFor } from '../order.ts';
import { dns, freshName, type Star, type Subject } from '../subject.ts';
import type { HttpAnswer } from '../transport.ts';
import { hold, NotApplicable, objectOf, refused, show, succeeded, textOf, timeOf, type JsonObject } from '../verdict.ts';

interface Offer {
  readonly minLifetime: number;
  readonly maxDuration: number;
  readonly get: boolean;
}

function offerOf({ connection }: Subject): Offer {
  const offer = ((connection.directory['meta'] ?? {}) as JsonObject)['auto-renewal'] as JsonObject | undefined;
  if (offer === undefined) throw new NotApplicable('the directory’s meta has no auto-renewal');
  return {
    minLifetime: Number(offer['min-lifetime']),
    maxDuration: Number(offer['max-duration']),
    get: offer['allow-certificate-get'] === true,
  };
}

const wholeSeconds = (milliseconds: number): string => new Date(Math.ceil(milliseconds / 1000) * 1000).toISOString().replace('.000', '');

/** What an order asks for: the shortest lifetime, four times. */
function wish(subject: Subject, more: JsonObject = {}): { readonly 'auto-renewal': JsonObject } {
  const { minLifetime, maxDuration } = offerOf(subject);
  // A little less than the longest: the server's clock may be behind.
  const duration = Math.min(4 * minLifetime, maxDuration - 60);
  return { 'auto-renewal': { 'end-date': wholeSeconds(Date.now() + duration * 1000), lifetime: minLifetime, ...more } };
}

async function renewing(subject: Subject, client: Client, more: JsonObject = {}): Promise<Star> {
  const order = await provenOrder(subject, client, [], wish(subject, more));
  const key = makeKey();
  succeeded('finalize', await post(client, textOf(order.body, 'finalize'), { csr: requestFor(order.identifiers, { keyPair: key }) }));
  const body = await settled(client, order.url, ['processing', 'ready'], subject.patience);
  hold(body['status'] === 'valid', `a finalized order should become valid, not ${JSON.stringify(body)}`);
  return { order: { ...order, body }, certificate: textOf(body, 'star-certificate'), key };
}

/** An order of the shared account that renews itself, read by GET if the server lets it be, kept for further cases. */
export function star(subject: Subject): Promise<Star> {
  const { get } = offerOf(subject);
  return (subject.shared.star ??= account(subject).then((client) =>
    renewing(subject, client, get ? { 'allow-certificate-get': true } : {}),
  ));
}

async function downloaded(subject: Subject): Promise<HttpAnswer> {
  const { certificate } = await star(subject);
  return succeeded('the download', await post(await account(subject), certificate), 200);
}

function isFor(leaf: X509Certificate, key: Key): boolean {
  const spki = { type: 'spki', format: 'der' } as const;
  return leaf.publicKey.export(spki).equals(key.publicKey.export(spki));
}

const byGet = (subject: Subject, url: string): Promise<HttpAnswer> => subject.connection.transport({ url, method: 'GET', headers: {} });

async function canceled(subject: Subject): Promise<{ readonly client: Client; readonly made: Star; readonly answer: HttpAnswer }> {
  const client = await account(subject);
  const made = await renewing(subject, client, offerOf(subject).get ? { 'allow-certificate-get': true } : {});
  const answer = succeeded('the cancellation', await post(client, made.order.url, { status: 'canceled' }), 200);
  return { client, made, answer };
}

async function header(subject: Subject, name: string, field: 'validFrom' | 'validTo'): Promise<void> {
  const answer = await downloaded(subject);
  const said = answer.headers[name];
  hold(said !== undefined, `there is no ${name}`);
  hold(/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d? [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(said), `${said} is no HTTP-date`);
  const [leaf] = chainOf(answer.body);
  hold(Date.parse(said) === Date.parse(leaf?.[field] ?? ''), `${name} is ${said}, and the certificate says ${leaf?.[field]}`);
}

export const autoRenewal: readonly Case[] = [
  must('RFC 8739 §3.2', 'the directory says the least lifetime and the longest duration in seconds', async (subject) => {
    const { minLifetime, maxDuration } = offerOf(subject);
    for (const value of [minLifetime, maxDuration]) hold(Number.isInteger(value) && value > 0, `it says ${minLifetime} and ${maxDuration}`);
  }),
  must('RFC 8739 §3.1.1', 'a new order shows the auto-renewal that the server agrees to', async (subject) => {
    const wanted = wish(subject);
    const { body } = await placeOrder(subject, await account(subject), [], wanted);
    const shown = (body['auto-renewal'] ?? {}) as JsonObject;
    hold(Number.isInteger(shown['lifetime']), `the order’s auto-renewal is ${JSON.stringify(body['auto-renewal'])}`);
    timeOf(shown, 'end-date');
  }),
  must('RFC 8739 §3.1.1', 'notBefore or notAfter beside auto-renewal is malformed', async (subject) => {
    const at = wholeSeconds(Date.now() + offerOf(subject).minLifetime * 1000);
    for (const member of ['notBefore', 'notAfter']) {
      const payload = { identifiers: [dns(freshName(subject))], ...wish(subject), [member]: at };
      const answer = await post(await account(subject), resource(subject.connection, 'newOrder'), payload);
      refused(`an order with ${member}`, answer, 'malformed');
      hold(answer.status === 400, `the answer is ${show(answer)}`);
    }
  }),
  must('RFC 8739 §3.1.1', 'an issued order is valid and has star-certificate in place of certificate', async (subject) => {
    const { order } = await star(subject);
    const body = objectOf(await post(await account(subject), order.url));
    hold(body['status'] === 'valid' && 'star-certificate' in body && !('certificate' in body), `the order is ${JSON.stringify(body)}`);
  }),
  must('RFC 8739 §3.3', 'the account reads the certificate by POST-as-GET', async (subject) => {
    const { key } = await star(subject);
    const [leaf] = chainOf((await downloaded(subject)).body);
    hold(leaf !== undefined && isFor(leaf, key), 'the certificate is not for the key of the CSR');
  }),
  should('RFC 8739 §3.3', 'Cert-Not-Before is that of the certificate', (subject) => header(subject, 'cert-not-before', 'validFrom')),
  should('RFC 8739 §3.3', 'Cert-Not-After is that of the certificate', (subject) => header(subject, 'cert-not-after', 'validTo')),
  must('RFC 8739 §3.3', 'no certificate is valid past the end-date', async (subject) => {
    const { order } = await star(subject);
    const now = objectOf(await post(await account(subject), order.url));
    const end = timeOf((now['auto-renewal'] ?? {}) as JsonObject, 'end-date');
    const [leaf] = chainOf((await downloaded(subject)).body);
    hold(
      Date.parse(leaf?.validTo ?? '') <= end.getTime(),
      `the certificate is valid to ${leaf?.validTo}, the order ends ${end.toISOString()}`,
    );
  }),
  must('RFC 8739 §3.4', 'where it was agreed on, anybody reads the certificate by GET', async (subject) => {
    if (!offerOf(subject).get) throw new NotApplicable('the server offers no allow-certificate-get');
    const { order, certificate } = await star(subject);
    const agreed = order.body['auto-renewal'] as JsonObject;
    if (agreed['allow-certificate-get'] !== true) throw new NotApplicable('the server did not agree to allow-certificate-get');
    const got = succeeded('the GET', await byGet(subject, certificate), 200);
    hold(leafOf(got.body).equals(leafOf((await downloaded(subject)).body)), 'GET and POST-as-GET give different certificates');
  }),
  must('RFC 8739 §3.4', 'where it was not agreed on, nobody reads the certificate by GET', async (subject) => {
    const made = await renewing(subject, await account(subject));
    refused('the GET', await byGet(subject, made.certificate));
  }),
  must(
    'RFC 8739 §3.3',
    'the next certificate is there half a lifetime before the last one ends, for the same key, and valid',
    async (subject) => {
      const { minLifetime } = offerOf(subject);
      const client = await account(subject);
      // With an adjustment of a whole lifetime it may be there already, before anybody has seen the first (§3.5).
      const made = await renewing(subject, client, { 'lifetime-adjust': minLifetime });
      const deadline = Date.now() + Math.min(subject.patience, minLifetime / 2 + 10) * 1000;
      for (;;) {
        const [leaf] = chainOf(succeeded('the download', await post(client, made.certificate), 200).body);
        hold(leaf !== undefined, 'there is no certificate');
        // Only the first one lives for a lifetime alone.
        if (Date.parse(leaf.validTo) - Date.parse(leaf.validFrom) > 1250 * minLifetime) {
          hold(isFor(leaf, made.key), 'the next certificate is for another key');
          hold(Date.parse(leaf.validFrom) <= Date.now() + 1000, `the next certificate is not valid before ${leaf.validFrom}`);
          return;
        }
        if (Date.now() > deadline) {
          if (minLifetime / 2 > subject.patience)
            throw new NotApplicable(`it would take ${minLifetime / 2} seconds; --patience says how long to wait`);
          hold(false, `half a lifetime has passed, and the certificate still ends ${leaf.validTo}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    },
  ),
  must('RFC 8739 §3.1.2', 'a canceled order says so', async (subject) => {
    const { client, made, answer } = await canceled(subject);
    for (const body of [objectOf(answer), objectOf(await post(client, made.order.url))])
      hold(body['status'] === 'canceled' && 'expires' in body, `the order is ${JSON.stringify(body)}`);
  }),
  must('RFC 8739 §3.1.2', 'the certificate of a canceled order is refused as autoRenewalCanceled, status 403', async (subject) => {
    const { client, made } = await canceled(subject);
    const answers = [await post(client, made.certificate), ...(offerOf(subject).get ? [await byGet(subject, made.certificate)] : [])];
    for (const answer of answers) {
      refused('the download', answer, 'autoRenewalCanceled');
      hold(answer.status === 403, `the answer is ${show(answer)}`);
    }
  }),
  must('RFC 8739 §3.1.2', 'an order that is not valid is not canceled: autoRenewalCancellationInvalid, status 400', async (subject) => {
    const client = await account(subject);
    const { url } = await placeOrder(subject, client, [], wish(subject));
    const answer = await post(client, url, { status: 'canceled' });
    refused('the cancellation', answer, 'autoRenewalCancellationInvalid');
    hold(answer.status === 400, `the answer is ${show(answer)}`);
  }),
  must(
    'RFC 8739 §3.1.2',
    'a certificate that renews itself is not revoked: autoRenewalRevocationNotSupported, status 403',
    async (subject) => {
      const certificate = base64url(leafOf((await downloaded(subject)).body));
      const answer = await post(await account(subject), resource(subject.connection, 'revokeCert'), { certificate });
      refused('the revocation', answer, 'autoRenewalRevocationNotSupported');
      hold(answer.status === 403, `the answer is ${show(answer)}`);
    },
  ),
];
