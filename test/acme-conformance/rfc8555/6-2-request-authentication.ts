import { createHmac } from 'node:crypto';
import { account, stranger } from '../account.ts';
import { must, should, type Case, type Run } from '../case.ts';
import { post, resource, type FlattenedJws, type Mistakes } from '../client.ts';
import { base64url, makeKey, makeRsaKey } from '../key.ts';
import { newClient } from '../subject.ts';
import { errorOf, hold, listOf, objectOf, refused, show, succeeded } from '../verdict.ts';

const clause = 'RFC 8555 §6.2';

/** The account is read by a request that is right but for one thing. */
function reading(mistakes: Mistakes, ...errors: readonly string[]): Run {
  return async (subject) => {
    const client = await account(subject);
    refused('the request', await post(client, client.kid, undefined, mistakes), ...errors);
  };
}

const decoded = (text: string): Record<string, unknown> => JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown>;

function signedByMac(jws: FlattenedJws): object {
  const head = base64url({ ...decoded(jws.protected), alg: 'HS256' });
  const mac = createHmac('sha256', 'public').update(`${head}.${jws.payload}`).digest('base64url');
  return { ...jws, protected: head, signature: mac };
}

export const requestAuthentication: readonly Case[] = [
  must(clause, 'a signature by another key is refused', async (subject) => {
    const client = await account(subject);
    refused('the request', await post(client, client.kid, undefined, { signedBy: (await stranger(subject)).key }));
  }),
  must(clause, 'a payload that was altered is refused', async (subject) => {
    const client = await account(subject);
    const rewrite = (jws: FlattenedJws): object => ({ ...jws, payload: base64url({ contact: ['mailto:altered@example.com'] }) });
    refused('the request', await post(client, client.kid, { contact: [] }, { rewrite }));
  }),
  must(
    clause,
    'alg none is refused',
    reading({ rewrite: (jws) => ({ ...jws, protected: base64url({ ...decoded(jws.protected), alg: 'none' }), signature: '' }) }),
  ),
  must(clause, 'an alg that is a MAC is refused', reading({ rewrite: signedByMac })),
  must(clause, 'an alg that the server does not know is badSignatureAlgorithm and the answer names those that it does', async (subject) => {
    const client = await account(subject);
    const answer = await post(client, client.kid, undefined, { header: { alg: 'XS256' } });
    refused('the request', answer, 'badSignatureAlgorithm');
    hold(listOf(objectOf(answer), 'algorithms').length > 0, `the answer names no algorithms: ${show(answer)}`);
  }),
  must(clause, 'a request with both kid and jwk is refused', async (subject) => {
    const client = await account(subject);
    refused('the request', await post(client, client.kid, undefined, { header: { jwk: client.key.jwk } }));
  }),
  must(clause, 'a request with neither kid nor jwk is refused', reading({ without: ['kid'] })),
  must(clause, 'newOrder with a jwk is refused', async (subject) => {
    const { key } = await account(subject);
    const payload = { identifiers: [{ type: 'dns', value: `jwk.${subject.suffix}` }] };
    refused('the request', await post(newClient(subject, key), resource(subject.connection, 'newOrder'), payload));
  }),
  must(clause, 'newAccount with a kid is refused', async (subject) => {
    const client = await account(subject);
    refused('the request', await post(client, resource(subject.connection, 'newAccount'), { onlyReturnExisting: true }));
  }),
  must(clause, 'an unprotected header is refused', reading({ rewrite: (jws) => ({ ...jws, header: { kid: 'unprotected' } }) })),
  must(
    clause,
    'several signatures are refused',
    reading({
      rewrite: (jws) => {
        const one = { protected: jws.protected, signature: jws.signature };
        return { payload: jws.payload, signatures: [one, one] };
      },
    }),
  ),
  must(
    clause,
    'the general serialization is refused',
    reading({ rewrite: (jws) => ({ payload: jws.payload, signatures: [{ protected: jws.protected, signature: jws.signature }] }) }),
  ),
  must(clause, 'the compact serialization is refused', reading({ rewrite: (jws) => `${jws.protected}.${jws.payload}.${jws.signature}` })),
  must(clause, 'the unencoded payload option is refused', reading({ header: { b64: false, crit: ['b64'] } })),
  must(clause, 'another content type than application/jose+json is answered with 415', async (subject) => {
    const client = await account(subject);
    const answer = await post(client, client.kid, undefined, { contentType: 'application/json' });
    hold(answer.status === 415, `the answer is ${show(answer)}`);
  }),
  must(clause, 'a key whose algorithm the header does not name is refused', async (subject) => {
    const client = newClient(subject, makeKey());
    refused(
      'the request',
      await post(client, resource(subject.connection, 'newAccount'), { onlyReturnExisting: true }, { header: { alg: 'RS256' } }),
      'badSignatureAlgorithm',
      'badPublicKey',
      'malformed',
    );
  }),
  should(clause, 'an RSA key of 1024 bits is badPublicKey', async (subject) => {
    const client = newClient(subject, makeRsaKey(1024));
    const answer = await post(client, resource(subject.connection, 'newAccount'), { termsOfServiceAgreed: true });
    hold(answer.status >= 400 && errorOf(answer) === 'badPublicKey', `the answer is ${show(answer)}`);
  }),
  must(clause, 'RS256 or ES256 is understood', async (subject) => {
    const client = await account(subject);
    succeeded('reading the account', await post(client, client.kid));
  }),
];
