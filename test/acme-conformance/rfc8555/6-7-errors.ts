import { account } from '../account.ts';
import { must, should, type Case } from '../case.ts';
import { post, resource, type Client } from '../client.ts';
import { orderPayload } from '../order.ts';
import { dns, freshName, newClient, type Subject } from '../subject.ts';
import type { HttpAnswer } from '../transport.ts';
import { errorOf, hold, listOf, NotApplicable, objectOf, refused, show, type JsonObject } from '../verdict.ts';

const clause = 'RFC 8555 §6.7';

// RFC 8555 §6.7, RFC 9773 §7.4, draft-ietf-acme-profiles, and the other entries of the registry.
const known = new Set(
  `accountDoesNotExist alreadyRevoked badCSR badNonce badPublicKey badRevocationReason badSignatureAlgorithm caa compound connection dns
  externalAccountRequired incorrectResponse invalidContact malformed orderNotReady rateLimited rejectedIdentifier serverInternal tls unauthorized
  unsupportedContact unsupportedIdentifier userActionRequired alreadyReplaced autoRenewalCanceled autoRenewalExpired
  autoRenewalCancellationInvalid autoRenewalRevocationNotSupported unknownDelegation badAttestationStatement invalidProfile
  onionCAARequired`.split(/\s+/),
);

/** Refusals of several kinds. */
async function refusals(subject: Subject): Promise<readonly HttpAnswer[]> {
  const client = await account(subject);
  const newOrder = resource(subject.connection, 'newOrder');
  return [
    await post(client, newOrder, { identifiers: [{ type: 'unheard-of', value: 'x' }] }),
    await post(client, newOrder, { identifiers: 'none' }),
    await post(client, client.kid, undefined, { header: { nonce: 'bm90LW9uZS1vZi15b3Vycw' } }),
    await post(newClient(subject), resource(subject.connection, 'newAccount'), { onlyReturnExisting: true }),
  ];
}

function namingNobody(client: Client): Promise<HttpAnswer> {
  const last = client.kid.slice(client.kid.lastIndexOf('/') + 1);
  const other = last.replace(/[0-9a-f]/gi, (digit) => (digit === '1' ? '2' : '1'));
  return post(client, client.kid, undefined, { header: { kid: client.kid.replace(/[^/]+$/, other) } });
}

async function severalBadNames(subject: Subject): Promise<readonly JsonObject[]> {
  const client = await account(subject);
  const identifiers = [dns(freshName(subject)), dns(`bad name.${subject.suffix}`), dns(`-.${subject.suffix}`)];
  const answer = await post(client, resource(subject.connection, 'newOrder'), orderPayload(subject, identifiers));
  refused('newOrder with two bad names', answer);
  const problem = objectOf(answer);
  if (!('subproblems' in problem)) throw new NotApplicable('the server gives no subproblems');
  return listOf(problem, 'subproblems') as readonly JsonObject[];
}

export const errors: readonly Case[] = [
  must(clause, 'refusals are problem documents', async (subject) => {
    for (const answer of await refusals(subject)) {
      const type = (answer.headers['content-type'] ?? '').split(';')[0]?.trim();
      hold(type === 'application/problem+json', `a refusal has content type ${String(type)}: ${show(answer)}`);
    }
  }),
  must(clause, 'error types are those of the registry', async (subject) => {
    for (const answer of await refusals(subject)) {
      hold(known.has(errorOf(answer)), `a refusal has a type that is not in the registry: ${show(answer)}`);
    }
  }),
  should(clause, 'refusals say in words what is wrong', async (subject) => {
    for (const answer of await refusals(subject))
      hold(typeof objectOf(answer)['detail'] === 'string', `a refusal has no detail: ${show(answer)}`);
  }),
  must(clause, 'the status member, where there is one, is the status of the answer', async (subject) => {
    for (const answer of await refusals(subject)) {
      const { status } = objectOf(answer);
      hold(status === undefined || status === answer.status, `a refusal of status ${answer.status} says ${String(status)}`);
    }
  }),
  must(clause, 'a kid that names no account is accountDoesNotExist', async (subject) => {
    refused('the request', await namingNobody(await account(subject)), 'accountDoesNotExist');
  }),
  must(clause, 'a payload that is no JSON is malformed', async (subject) => {
    const answer = await post(newClient(subject), resource(subject.connection, 'newAccount'), '{"contact": [');
    refused('the request', answer, 'malformed');
  }),
  must(`${clause}.1`, 'each subproblem names its type and identifier', async (subject) => {
    for (const part of await severalBadNames(subject)) {
      const identifier = part['identifier'] as JsonObject | undefined;
      hold(typeof part['type'] === 'string' && typeof identifier?.['value'] === 'string', `a subproblem is ${JSON.stringify(part)}`);
    }
  }),
  must(`${clause}.1`, 'subproblems have no subproblems', async (subject) => {
    for (const part of await severalBadNames(subject)) hold(!('subproblems' in part), `a subproblem is ${JSON.stringify(part)}`);
  }),
];
