import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { webcrypto } from 'node:crypto';
import { freshName, dns, type Subject } from '../subject.ts';
import { base64url } from '../key.ts';
import { orderPayload } from '../order.ts';
import type { HttpRequest } from '../transport.ts';
import type { JsonObject } from '../verdict.ts';
import {
  answering,
  at,
  authorizations,
  challenges,
  finalizes,
  granting,
  objects,
  orders,
  overlooking,
  payloadOf,
  renaming,
  withHeaders,
  without,
  type Defect,
  type Serve,
  type Server,
} from './defective.ts';

const s74 = (...titles: readonly string[]): string[] => titles.map((title) => `RFC 8555 §7.4 ${title}`);
const s75 = (clause: string, ...titles: readonly string[]): string[] => titles.map((title) => `RFC 8555 §7.5${clause} ${title}`);

const newOrder = at('/new-order');
const orderOf = ({ url }: HttpRequest): string => url.replace(/\/finalize$/, '');

/** Orders as if the payload had been another. */
const ordersAsIf = (
  isSuch: (payload: Record<string, unknown>) => boolean,
  change: (payload: Record<string, unknown>, subject: Subject) => JsonObject,
): Serve =>
  overlooking(newOrder, (request, server, signed) => {
    const payload = payloadOf(signed);
    return isSuch(payload) ? server.repaired(request, { payload: base64url(change(payload, server.subject)) }) : undefined;
  });
const firstOf = ({ identifiers }: Record<string, unknown>): string =>
  String((identifiers as readonly Record<string, unknown>[] | undefined)?.[0]?.['value']);

interface Asked {
  readonly names: readonly string[];
  readonly ordered: readonly string[];
  readonly isSigned: boolean;
  readonly isOwnKey: boolean;
}

/** Answers with the order in place of a refusal when the CSR is such. */
const finalizesWith = (isSuch: (asked: Asked) => boolean): Serve =>
  overlooking(finalizes, async (request, server, signed) => {
    const answer = await server.forward(request);
    if (answer.status < 400) return answer;
    const asked = await askedFor(request, server);
    return asked !== undefined && isSuch(asked) ? server.read(orderOf(request), String(signed.header['kid'])) : answer;
  });

async function askedFor(request: HttpRequest, server: Server): Promise<Asked | undefined> {
  const signed = server.signed(request)!;
  x509.cryptoProvider.set(webcrypto as never);
  let csr: x509.Pkcs10CertificateRequest;
  try {
    csr = new x509.Pkcs10CertificateRequest(Buffer.from(String(payloadOf(signed)['csr']), 'base64url'));
  } catch {
    return undefined;
  }
  const order = JSON.parse((await server.read(orderOf(request), String(signed.header['kid']))).body) as {
    identifiers: { value: string }[];
  };
  const alternative = csr.extensions.find((extension) => extension instanceof x509.SubjectAlternativeNameExtension);
  return {
    names: (alternative?.names.items ?? []).map(({ value }) => value),
    ordered: order.identifiers.map(({ value }) => value),
    isSigned: await csr.verify(),
    isOwnKey: Buffer.from(csr.publicKey.rawData).equals(signed.key.publicKey.export({ type: 'spki', format: 'der' })),
  };
}

const more = ({ names, ordered }: Asked): boolean => names.length > ordered.length;
const less = ({ names, ordered }: Asked): boolean => names.length < ordered.length;

/** Serves what another account asks as if the owner had asked. */
const forAnybody = (concern: (request: HttpRequest) => boolean, isSuch: (payload: string) => boolean): Serve =>
  overlooking(concern, (request, server, { header, payload }) => {
    const key = server.keyOf(server.owner);
    return header['kid'] !== server.owner && isSuch(payload) && key !== undefined
      ? server.repaired(request, { header: { ...header, kid: server.owner }, key })
      : undefined;
  });

export const issuanceDefects: readonly Defect[] = [
  {
    what: 'a new order is answered with 200',
    caught: s74('a new order is answered with 201 and its URL'),
    serve: answering(newOrder, (answer) => (answer.status === 201 ? { ...answer, status: 200 } : answer)),
  },
  {
    what: 'an unknown type of identifier is malformed',
    caught: s74('an identifier of an unknown type is unsupportedIdentifier'),
    serve: renaming(newOrder, 'unsupportedIdentifier', 'malformed'),
  },
  {
    what: 'an order may be for nothing',
    caught: s74('an order without identifiers is refused'),
    serve: ordersAsIf(
      ({ identifiers }) => Array.isArray(identifiers) && identifiers.length === 0,
      (_, subject) => orderPayload(subject, [dns(freshName(subject))]),
    ),
  },
  {
    what: 'a name may have a port',
    caught: s74('a name that no DNS name can be is refused'),
    serve: ordersAsIf(
      (payload) => firstOf(payload).endsWith(':80'),
      (_, subject) => orderPayload(subject, [dns(freshName(subject))]),
    ),
  },
  {
    what: 'an order that is not ready is malformed',
    caught: s74('an order that is not ready cannot be finalized: orderNotReady, 403', 'an order that is valid is not finalized again'),
    serve: renaming(finalizes, 'orderNotReady', 'unauthorized', 400),
  },
  {
    what: 'a CSR may have more names than the order',
    caught: s74('a CSR with a name more than the order is refused'),
    serve: finalizesWith((asked) => more(asked) && asked.names.every((name) => !/^[\d.]+$/.test(name))),
  },
  {
    what: 'a CSR may have addresses besides',
    caught: s74('a CSR with an address more than the order is refused'),
    serve: finalizesWith((asked) => more(asked) && asked.names.some((name) => /^[\d.]+$/.test(name))),
  },
  {
    what: 'a CSR may have fewer names than the order',
    caught: s74('a CSR with a name less than the order is refused'),
    serve: finalizesWith(less),
  },
  {
    what: 'a CSR may have any name',
    caught: s74('a CSR with another name than the order is refused'),
    serve: finalizesWith((asked) => !more(asked) && !less(asked) && !asked.names.some((name) => asked.ordered.includes(name))),
  },
  {
    what: 'the signature of a CSR is not verified',
    caught: s74('a CSR whose signature is wrong is refused'),
    serve: finalizesWith(({ isSigned }) => !isSigned),
  },
  {
    what: 'the key of an account may be certified',
    caught: ['RFC 8555 §11.1 a CSR whose key is the account’s is refused'],
    serve: finalizesWith(({ isOwnKey }) => isOwnKey),
  },
  {
    what: 'a CSR need not be one',
    caught: s74('a CSR that is no CSR is refused'),
    serve: overlooking(finalizes, (request, server, signed) =>
      payloadOf(signed)['csr'] === 'bm8gQ1NS' ? server.read(orderOf(request), String(signed.header['kid'])) : undefined,
    ),
  },
  {
    what: 'finalize answers with nothing of the order',
    caught: s74('finalize is answered with the order'),
    serve: answering(finalizes, (answer) => (answer.status === 200 ? { ...answer, body: '{}' } : answer)),
  },
  {
    what: 'a valid order does not name its certificate',
    caught: s74('a finalized order becomes valid and names its certificate', 'an order that is valid is not finalized again'),
    serve: objects(orders, (object) => without(object, 'certificate')),
  },
  {
    what: 'an order can be finalized again',
    caught: s74('an order that is valid is not finalized again'),
    serve: overlooking(finalizes, async (request, server, signed) => {
      const answer = await server.forward(request);
      if (answer.status !== 403) return answer;
      const order = await server.read(orderOf(request), String(signed.header['kid']));
      return order.body.includes('"status":"valid"') ? order : answer;
    }),
  },
  {
    what: 'reading a challenge begins its validation',
    caught: s75('.1', 'an empty payload reads a challenge and starts no validation', 'a challenge is not answered by another account'),
    serve: overlooking(challenges, (request, server, { payload }) =>
      payload === '' ? server.repaired(request, { payload: base64url({}) }) : undefined,
    ),
  },
  {
    what: 'anybody may answer a challenge',
    caught: s75('.1', 'a challenge is not answered by another account'),
    serve: forAnybody(challenges, (payload) => payload !== ''),
  },
  {
    what: 'the response to a challenge is answered with something else',
    caught: s75('.1', 'the response to a challenge is answered with the challenge'),
    serve: objects(challenges, (object) => ({ status: object['status'] })),
  },
  {
    what: 'a challenge does not link to its authorization',
    caught: ['RFC 8555 §7.1 a challenge links to its authorization as up'],
    serve: answering(challenges, (answer) => withHeaders(answer, { link: answer.headers['link']?.replace('rel="up"', 'rel="down"') })),
  },
  {
    what: 'a challenge that was met stays pending',
    caught: s75('.1', 'a right answer makes challenge and authorization valid'),
    serve: objects(authorizations, (object) => ({
      ...object,
      challenges: (object['challenges'] as JsonObject[]).map((challenge) => ({ ...challenge, status: 'pending' })),
    })),
  },
  {
    what: 'a deactivated authorization is answered as valid',
    caught: s75('.2', 'an authorization can be deactivated'),
    serve: objects(authorizations, (object) => (object['status'] === 'deactivated' ? { ...object, status: 'valid' } : object)),
  },
  {
    what: 'what was deactivated counts all the same',
    caught: s75('.2', 'an order whose authorization was deactivated is not finalized'),
    serve: granting(finalizes),
  },
  {
    what: 'anybody may deactivate an authorization',
    caught: s75('.2', 'an authorization is not deactivated by another account'),
    serve: forAnybody(authorizations, (payload) => payload !== ''),
  },
];
