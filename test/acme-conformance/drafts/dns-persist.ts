import { createHash } from 'node:crypto';
import { account, register, stranger } from '../account.ts';
import { isProven, isRefuted } from '../attempt.ts';
import { must, slow, type Case } from '../case.ts';
import { post, settled, type Client } from '../client.ts';
import { makeKey } from '../key.ts';
import { firstAuthorization, placeOrder } from '../order.ts';
import { challengesOf } from '../proof.ts';
import { changeKey } from '../rfc8555/7-3-5-key-change.ts';
import { dns, freshName, type Subject } from '../subject.ts';
import { hold, NotApplicable, succeeded, textOf, textsOf, timeOf, type JsonObject } from '../verdict.ts';

const clause = (section: string): string => `draft-ietf-acme-dns-persist §${section}`;

interface Persistent {
  readonly name: string;
  /** URL */
  readonly authorization: string;
  readonly challenge: JsonObject;
  readonly issuers: readonly string[];
}

function metaOf({ connection }: Subject): JsonObject {
  return (connection.directory['meta'] ?? {}) as JsonObject;
}

/** A challenge of a fresh order. @param wildcard the order is for all names below a fresh one */
async function challenged(subject: Subject, client: Client, wildcard = false): Promise<Persistent> {
  if (subject.zone === undefined) throw new NotApplicable('the suite was given no port to answer dns-persist-01');
  const name = freshName(subject);
  const order = await placeOrder(subject, client, [dns(wildcard ? `*.${name}` : name)]);
  if (order.body['status'] !== 'pending') throw new NotApplicable('the server asks for no proof');
  const authorization = firstAuthorization(order);
  const challenge = (await challengesOf(client, authorization)).find(({ type }) => type === 'dns-persist-01');
  if (challenge === undefined) throw new NotApplicable('the server does not offer dns-persist-01');
  return { name, authorization, challenge, issuers: textsOf(challenge, 'issuerDomainNames') };
}

/** What a record has for an account. @param domain `*`: for every domain */
export function accountUri(subject: Subject, { kid, key }: Client, domain: string): string {
  const digest = createHash('sha256')
    .update(Buffer.from([domain.length]))
    .update(domain + key.thumbprint + kid);
  return `${textOf(metaOf(subject), 'accountHashPrefix')}sha-256/${digest.digest('base64url')}`;
}

function publish(subject: Subject, { name }: Persistent, data: string): void {
  subject.zone?.records.set(`_validation-persist.${name}`, [
    { type: 'TXT', data: 'something else' },
    { type: 'TXT', data },
  ]);
}

async function judged(subject: Subject, client: Client, { challenge, authorization }: Persistent): Promise<{ authorization: JsonObject }> {
  succeeded('the response to a challenge', await post(client, textOf(challenge, 'url'), {}));
  return { authorization: await settled(client, authorization, ['pending'], Math.max(subject.patience, 120)) };
}

/** What the server makes of a record. */
async function tried(
  subject: Subject,
  record: (uri: (domain: string) => string, offered: Persistent) => string | Promise<string>,
  { wildcard = false, client = undefined as Client | undefined } = {},
): Promise<{ authorization: JsonObject }> {
  const owner = client ?? (await account(subject));
  const offered = await challenged(subject, owner, wildcard);
  publish(subject, offered, await record((domain) => accountUri(subject, owner, domain), offered));
  return judged(subject, owner, offered);
}

const now = (): number => Math.floor(Date.now() / 1000);

export const persistentRecords: readonly Case[] = [
  must(clause('3.1'), 'a challenge names one to ten issuers, in lower case, without a dot at the end', async (subject) => {
    const { issuers } = await challenged(subject, await account(subject));
    hold(issuers.length >= 1 && issuers.length <= 10, `it names ${issuers.length}`);
    for (const issuer of issuers) hold(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(issuer), `an issuer is ${JSON.stringify(issuer)}`);
  }),
  must(clause('3.2'), 'the directory has issuers, each of which is in every challenge', async (subject) => {
    const { issuers } = await challenged(subject, await account(subject));
    const known = textsOf(metaOf(subject), 'issuerDomainNames');
    hold(known.length >= 1, 'the directory names none');
    for (const issuer of known) hold(issuers.includes(issuer), `the challenge lacks ${issuer}`);
  }),
  must(clause('4.1'), 'a record with the hashed account of the name proves it', async (subject) =>
    isProven(await tried(subject, (uri, { name, issuers }) => `${issuers[0]!}; accounturi=${uri(name)}`)),
  ),
  must(clause('4.1'), 'a record with the hashed account of every name proves one', async (subject) =>
    isProven(await tried(subject, (uri, { issuers }) => `${issuers[0]!}; accounturi=${uri('*')}; unheard-of=1`)),
  ),
  must(clause('4.1'), 'the authorization ends no later than the record’s persistUntil', async (subject) => {
    const until = now() + 3600;
    const proven = await tried(subject, (uri, { name, issuers }) => `${issuers[0]!}; accounturi=${uri(name)}; persistUntil=${until}`);
    isProven(proven);
    const expires = timeOf(proven.authorization, 'expires');
    hold(expires.getTime() <= until * 1000, `it expires at ${expires.toISOString()}`);
  }),
  must(clause('4.2'), 'a record with a former key of the account proves a name', async (subject) => {
    const client = await register(subject);
    const former = { ...client };
    await challenged(subject, client);
    const key = makeKey();
    succeeded('the change', await changeKey(subject, client, key), 200);
    client.key = key;
    isProven(await tried(subject, (_, { name, issuers }) => `${issuers[0]!}; accounturi=${accountUri(subject, former, name)}`, { client }));
  }),
  must(clause('5.1'), 'a record with policy=wildcard proves a wildcard', async (subject) =>
    isProven(
      await tried(subject, (uri, { name, issuers }) => `${issuers[0]!}; accounturi=${uri(name)}; policy=wildcard`, { wildcard: true }),
    ),
  ),
  slow(
    must(clause('5.1'), 'a record without policy=wildcard proves no wildcard', async (subject) =>
      isRefuted(await tried(subject, (uri, { name, issuers }) => `${issuers[0]!}; accounturi=${uri(name)}`, { wildcard: true })),
    ),
  ),
  slow(
    must(clause('4.1'), 'a record with another account proves nothing', async (subject) =>
      isRefuted(
        await tried(
          subject,
          async (_, { name, issuers }) => `${issuers[0]!}; accounturi=${accountUri(subject, await stranger(subject), name)}`,
        ),
      ),
    ),
  ),
  slow(
    must(clause('4.1'), 'a record with another issuer proves nothing', async (subject) =>
      isRefuted(await tried(subject, (uri, { name }) => `another-issuer.example; accounturi=${uri(name)}`)),
    ),
  ),
  slow(
    must(clause('4.1'), 'a record whose persistUntil has passed proves nothing', async (subject) =>
      isRefuted(await tried(subject, (uri, { name, issuers }) => `${issuers[0]!}; accounturi=${uri(name)}; persistUntil=${now() - 60}`)),
    ),
  ),
];
