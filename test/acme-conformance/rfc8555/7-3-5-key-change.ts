import { account, register } from '../account.ts';
import { must, should, type Case } from '../case.ts';
import { flattened, post, resource, type Client } from '../client.ts';
import { base64url, makeKey, type Key } from '../key.ts';
import type { Subject } from '../subject.ts';
import type { HttpAnswer } from '../transport.ts';
import { hold, refused, show, succeeded, type JsonObject } from '../verdict.ts';

const clause = 'RFC 8555 §7.3.5';

interface Inner {
  readonly header?: JsonObject;
  readonly without?: readonly string[];
  readonly payload?: JsonObject;
  /** Signs in place of the new key. */
  readonly signedBy?: Key;
}

/** Asks for a change to a new key. */
export async function changeKey(subject: Subject, client: Client, key: Key, inner: Inner = {}): Promise<HttpAnswer> {
  const url = resource(subject.connection, 'keyChange');
  const header: Record<string, unknown> = { alg: key.alg, jwk: key.jwk, url, ...inner.header };
  for (const name of inner.without ?? []) Reflect.deleteProperty(header, name);
  const payload = base64url({ account: client.kid, oldKey: client.key.jwk, ...inner.payload });
  return post(client, url, flattened({ header, payload, key: inner.signedBy ?? key }));
}

function wrong(title: string, inner: (subject: Subject) => Inner | Promise<Inner>, level = must): Case {
  return level(clause, title, async (subject) => {
    // Its own: a server that makes the change locks the old key out.
    const client = await register(subject);
    const answer = await changeKey(subject, client, makeKey(), await inner(subject));
    refused('the change', answer);
    succeeded('reading the account with the old key', await post(client, client.kid), 200);
  });
}

export const keyChange: readonly Case[] = [
  must(clause, 'after a change the new key is the account’s, whose URL is the same', async (subject) => {
    const client = await register(subject);
    const key = makeKey();
    succeeded('the change', await changeKey(subject, client, key), 200);
    client.key = key;
    succeeded('reading the account with the new key', await post(client, client.kid), 200);
  }),
  must(clause, 'after a change the old key is refused', async (subject) => {
    const client = await register(subject);
    succeeded('the change', await changeKey(subject, client, makeKey()), 200);
    refused('reading the account with the old key', await post(client, client.kid));
  }),
  must(clause, 'a change to the key of another account is answered with 409 and the URL of that account', async (subject) => {
    const [client, other] = [await register(subject), await account(subject)];
    const answer = await changeKey(subject, client, other.key);
    hold(answer.status === 409, `the answer is ${show(answer)}`);
    hold(answer.headers['location'] === other.kid, `Location is ${answer.headers['location'] ?? 'absent'}, not ${other.kid}`);
  }),
  wrong('an inner JWS without jwk is refused', () => ({ without: ['jwk'] })),
  wrong('an inner JWS with a nonce is refused', () => ({ header: { nonce: 'bm9uY2U' } }), should),
  wrong('an inner JWS for another URL is refused', ({ connection }) => ({
    header: { url: `${resource(connection, 'keyChange')}/elsewhere` },
  })),
  wrong('an inner JWS for another account is refused', async (subject) => ({ payload: { account: (await register(subject)).kid } })),
  wrong('an inner JWS with another old key is refused', () => ({ payload: { oldKey: makeKey().jwk } })),
  wrong('an inner JWS that the new key did not sign is refused', () => ({ signedBy: makeKey() })),
];
