import { createPublicKey, verify } from 'node:crypto';
import { binding } from '../account.ts';
import { base64url } from '../key.ts';
import type { HttpAnswer } from '../transport.ts';
import type { JsonObject } from '../verdict.ts';
import {
  accountUrls,
  answering,
  at,
  decoded,
  overlooking,
  payloadOf,
  renaming,
  withHeaders,
  without,
  withObject,
  type Defect,
  type Serve,
} from './defective.ts';

const s73 = (clause: string, ...titles: readonly string[]): string[] => titles.map((title) => `RFC 8555 §7.3${clause} ${title}`);
const newAccount = at('/new-account');

/** Registers as if the request had been another. */
const asIf = (isSuch: (payload: Record<string, unknown>) => boolean, change: (payload: Record<string, unknown>) => JsonObject): Serve =>
  overlooking(newAccount, (request, server, signed) => {
    const payload = payloadOf(signed);
    return isSuch(payload) ? server.repaired(request, { payload: base64url(change(payload)) }) : undefined;
  });
const contactsMatch =
  (pattern: RegExp) =>
  ({ contact }: Record<string, unknown>): boolean =>
    Array.isArray(contact) && contact.some((one) => pattern.test(String(one)));

interface Bound {
  readonly header: Record<string, unknown>;
  readonly jwk: Record<string, unknown>;
}

/** Takes a binding that is wrong in such a way for the right one. */
const binds = (isSuch: (bound: Bound, outer: { readonly kid: string; readonly url: string; readonly x: unknown }) => boolean): Serve =>
  overlooking(newAccount, (request, server, signed) => {
    const payload = payloadOf(signed);
    const given = payload['externalAccountBinding'] as Record<string, unknown> | undefined;
    const { externalAccount } = server.subject;
    if (given === undefined || externalAccount === undefined) return undefined;
    const bound = { header: decoded(given['protected']), jwk: decoded(given['payload']) };
    if (!isSuch(bound, { kid: externalAccount.kid, url: request.url, x: signed.key.jwk['x'] })) return undefined;
    const right = binding(externalAccount, request.url, signed.key.jwk);
    return server.repaired(request, { payload: base64url({ ...payload, externalAccountBinding: right }) });
  });
const isWhole = ({ header, jwk }: Bound, outer: { readonly kid: string; readonly url: string; readonly x: unknown }): boolean =>
  header['alg'] === 'HS256' && !('nonce' in header) && header['kid'] === outer.kid && header['url'] === outer.url && jwk['x'] === outer.x;

interface Inner {
  readonly header: Record<string, unknown>;
  readonly payload: Record<string, unknown>;
  readonly isSigned: boolean;
}

function innerOf(jws: Record<string, unknown>): Inner {
  const [header, payload] = [decoded(jws['protected']), decoded(jws['payload'])];
  let isSigned = false;
  if ('jwk' in header) {
    const key = createPublicKey({ key: header['jwk'] as Record<string, string>, format: 'jwk' });
    const input = Buffer.from(`${String(jws['protected'])}.${String(jws['payload'])}`);
    isSigned = verify('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(String(jws['signature']), 'base64url'));
  }
  return { header, payload, isSigned };
}

/** Says that the key was changed when the inner JWS is such, and changes nothing. */
const changes = (isSuch: (inner: Inner, outer: { readonly kid: unknown; readonly url: string; readonly x: unknown }) => boolean): Serve =>
  overlooking(at('/key-change'), (request, server, signed) => {
    const kid = String(signed.header['kid']);
    const outer = { kid, url: request.url, x: signed.key.jwk['x'] };
    return isSuch(innerOf(payloadOf(signed)), outer) ? server.read(kid, kid) : undefined;
  });

const deactivation = (change: (answer: HttpAnswer) => HttpAnswer): Serve =>
  answering(accountUrls, (answer) => (answer.body.includes('"deactivated"') ? change(answer) : answer));

export const accountDefects: readonly Defect[] = [
  {
    what: 'a new account is answered with 200',
    caught: s73('', 'a new account is answered with 201, its URL and the object'),
    serve: answering(newAccount, (answer) => (answer.status === 201 ? { ...answer, status: 200 } : answer)),
  },
  {
    what: 'an account takes over what it does not know',
    caught: s73('', 'orders and unknown members of the request are ignored'),
    serve: async (request, server) => {
      const answer = await server.forward(request);
      const payload = payloadOf(server.signed(request));
      return newAccount(request) && answer.status === 201 && 'unheardOf' in payload
        ? withObject(answer, (object) => ({ ...object, unheardOf: 1 }))
        : answer;
    },
  },
  {
    what: 'a contact of an unknown scheme is invalid',
    caught: s73('', 'a contact of an unknown scheme is unsupportedContact'),
    serve: renaming(newAccount, 'unsupportedContact', 'invalidContact'),
  },
  {
    what: 'a mailto contact may have header fields',
    caught: s73('', 'a mailto contact with header fields is invalidContact'),
    serve: asIf(contactsMatch(/\?/), (payload) => without(payload, 'contact')),
  },
  {
    what: 'a mailto contact may have two addresses',
    caught: s73('', 'a mailto contact of two addresses is invalidContact'),
    serve: asIf(contactsMatch(/,/), (payload) => without(payload, 'contact')),
  },
  {
    what: 'nobody need agree to the terms',
    caught: s73('', 'where there are terms of service, an account must agree to them'),
    serve: asIf(
      (payload) => payload['termsOfServiceAgreed'] === false,
      (payload) => ({ ...payload, termsOfServiceAgreed: true }),
    ),
  },
  {
    what: 'a known key is answered with 201',
    caught: s73('.1', 'a known key is answered with 200 and the URL of its account', 'onlyReturnExisting finds the account of a known key'),
    serve: answering(newAccount, (answer) => (answer.status === 200 ? { ...answer, status: 201 } : answer)),
  },
  {
    what: 'a known key is given another URL',
    caught: s73('.1', 'a known key is answered with 200 and the URL of its account', 'onlyReturnExisting finds the account of a known key'),
    serve: answering(newAccount, (answer) =>
      answer.status === 200 ? withHeaders(answer, { location: `${answer.headers['location'] ?? ''}0` }) : answer,
    ),
  },
  {
    what: 'onlyReturnExisting is not read',
    caught: s73('.1', 'onlyReturnExisting with an unknown key is accountDoesNotExist, status 400', 'onlyReturnExisting makes no account'),
    serve: asIf(
      (payload) => payload['onlyReturnExisting'] === true,
      (payload) => without(payload, 'onlyReturnExisting'),
    ),
  },
  {
    what: 'an account that does not exist is not found',
    caught: s73('.1', 'onlyReturnExisting with an unknown key is accountDoesNotExist, status 400'),
    serve: renaming(newAccount, 'accountDoesNotExist', 'accountDoesNotExist', 404),
  },
  {
    what: 'contacts stay as they were',
    caught: s73('.2', 'contacts may be changed, and the new ones are read afterwards'),
    serve: overlooking(accountUrls, (request, server, signed) =>
      'contact' in payloadOf(signed) ? server.repaired(request, { payload: base64url({}) }) : undefined,
    ),
  },
  {
    what: 'an account may change every other',
    caught: s73('.2', 'an account is not changed by another'),
    serve: overlooking(accountUrls, (request, server, { header }) => {
      const key = server.keyOf(request.url);
      return header['kid'] !== request.url && key !== undefined
        ? server.repaired(request, { header: { ...header, kid: request.url }, key })
        : undefined;
    }),
  },
  {
    what: 'a deactivated account is answered as valid',
    caught: s73('.6', 'a deactivated account is answered as deactivated'),
    serve: deactivation((answer) => withObject(answer, (object) => ({ ...object, status: 'valid' }))),
  },
  {
    what: 'a deactivated account is answered with 403',
    caught: s73('.6', 'a deactivated account is refused everything: unauthorized, 401'),
    serve: answering(at('/new-order', '/account/'), (answer) => (answer.status === 401 ? { ...answer, status: 403 } : answer)),
  },
  {
    what: 'deactivation does nothing',
    caught: s73('.6', 'a deactivated account is refused everything: unauthorized, 401'),
    serve: overlooking(accountUrls, (request, server, signed) =>
      payloadOf(signed)['status'] === 'deactivated'
        ? server.read(request.url, request.url).then((answer) => withObject(answer, (object) => ({ ...object, status: 'deactivated' })))
        : undefined,
    ),
  },
  {
    what: 'the invitation that is wanted is not asked for',
    caught: s73('.4', 'a server that wants a binding refuses an account without: externalAccountRequired'),
    serve: overlooking(newAccount, (request, server, signed) => {
      const payload = payloadOf(signed);
      const { externalAccount } = server.subject;
      if ('externalAccountBinding' in payload || externalAccount === undefined) return undefined;
      return server.repaired(request, {
        payload: base64url({ ...payload, externalAccountBinding: binding(externalAccount, request.url, signed.key.jwk) }),
      });
    }),
  },
  {
    what: 'a missing invitation is a missing right',
    caught: s73('.4', 'a server that wants a binding refuses an account without: externalAccountRequired'),
    serve: renaming(newAccount, 'externalAccountRequired', 'unauthorized'),
  },
  {
    what: 'the MAC of a binding is not verified',
    caught: s73('.4', 'a binding whose MAC is by another key is refused'),
    serve: binds(isWhole),
  },
  {
    what: 'the url of a binding is not compared',
    caught: s73('.4', 'a binding for another URL is refused'),
    serve: binds(({ header }, { url }) => header['url'] !== url),
  },
  {
    what: 'the kid of a binding is not looked up',
    caught: s73('.4', 'a binding of an unknown kid is refused'),
    serve: binds(({ header }, { kid }) => header['kid'] !== kid),
  },
  {
    what: 'the key of a binding is not compared',
    caught: s73('.4', 'a binding for another account key is refused'),
    serve: binds(({ jwk }, { x }) => jwk['x'] !== x),
  },
  {
    what: 'a binding may have a nonce',
    caught: s73('.4', 'a binding with a nonce is refused'),
    serve: binds(({ header }) => 'nonce' in header),
  },
  {
    what: 'a binding may have any alg',
    caught: s73('.4', 'a binding whose alg is no MAC is refused'),
    serve: binds(({ header }) => header['alg'] !== 'HS256'),
  },
  {
    what: 'a key in use is malformed',
    caught: s73('.5', 'a change to the key of another account is answered with 409 and the URL of that account'),
    serve: answering(at('/key-change'), (answer) => (answer.status === 409 ? { ...answer, status: 400 } : answer)),
  },
  {
    what: 'a key in use does not say whose it is',
    caught: s73('.5', 'a change to the key of another account is answered with 409 and the URL of that account'),
    serve: answering(at('/key-change'), (answer) => withHeaders(answer, { location: undefined })),
  },
  {
    what: 'the key is not changed',
    caught: s73('.5', 'after a change the new key is the account’s, whose URL is the same', 'after a change the old key is refused'),
    serve: overlooking(at('/key-change'), (request, server, signed) => {
      const kid = String(signed.header['kid']);
      const { header, payload, isSigned } = innerOf(payloadOf(signed));
      const isRight =
        isSigned &&
        !('nonce' in header) &&
        header['url'] === request.url &&
        payload['account'] === kid &&
        (payload['oldKey'] as JsonObject)['x'] === signed.key.jwk['x'];
      return isRight && server.kidOf(header['jwk'] as JsonObject) === undefined ? server.read(kid, kid) : undefined;
    }),
  },
  {
    what: 'the inner jwk is not wanted',
    caught: s73('.5', 'an inner JWS without jwk is refused'),
    serve: changes(({ header }) => !('jwk' in header)),
  },
  {
    what: 'the inner JWS may have a nonce',
    caught: s73('.5', 'an inner JWS with a nonce is refused'),
    serve: changes(({ header }) => 'nonce' in header),
  },
  {
    what: 'the inner url is not compared',
    caught: s73('.5', 'an inner JWS for another URL is refused'),
    serve: changes(({ header }, { url }) => header['url'] !== url),
  },
  {
    what: 'the inner account is not compared',
    caught: s73('.5', 'an inner JWS for another account is refused'),
    serve: changes(({ payload }, { kid }) => payload['account'] !== kid),
  },
  {
    what: 'the old key is not compared',
    caught: s73('.5', 'an inner JWS with another old key is refused'),
    serve: changes(({ payload }, { x }) => (payload['oldKey'] as JsonObject)['x'] !== x),
  },
  {
    what: 'the inner signature is not verified',
    caught: s73('.5', 'an inner JWS that the new key did not sign is refused'),
    serve: changes(({ header, isSigned }) => 'jwk' in header && !isSigned),
  },
];
