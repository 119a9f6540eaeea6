import { isIP } from 'node:net';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { base64url } from '../key.ts';
import { present, type ChallengeType, type Offered } from '../proof.ts';
import type { Subject } from '../subject.ts';
import type { HttpRequest } from '../transport.ts';
import type { JsonObject } from '../verdict.ts';
import {
  answering,
  anywhere,
  at,
  authorizations,
  challenges,
  objects,
  overlooking,
  payloadOf,
  withHeaders,
  without,
  type Defect,
  type Serve,
  type Server,
} from './defective.ts';

const s8 = (title: string): string[] => [`RFC 8555 §8 ${title}`];
const s83 = (title: string): string[] => [`RFC 8555 §8.3 ${title}`];
const s3 = (title: string): string[] => [`RFC 8737 §3 ${title}`];
const tokenCases = ['RFC 8555 §8 '];

const tokens = (change: (token: string) => string): Serve =>
  objects(authorizations, (object) => ({
    ...object,
    challenges: (object['challenges'] as JsonObject[]).map((challenge) =>
      'token' in challenge ? { ...challenge, token: change(String(challenge['token'])) } : challenge,
    ),
  }));

/** Believes an answer that is wrong in such a way: it finds the right one there, for the suite's own responders are made to give it. */
function believing(type: ChallengeType, isSuch: (challenge: Offered, subject: Subject) => boolean): Serve {
  return overlooking(challenges, async (request, server, signed) => {
    if (signed.payload !== '' && request.url.endsWith(`.${type}`)) {
      const challenge = await challengeAt(request, server, type);
      if (isSuch(challenge, server.subject)) await present(server.subject, challenge);
    }
    return server.forward(request);
  });
}

/** The challenge that a request answers. */
export async function challengeAt<Type extends string>(
  request: HttpRequest,
  server: Server,
  type: Type,
): Promise<Omit<Offered, 'type'> & { readonly type: Type }> {
  const { header, key } = server.signed(request)!;
  const kid = String(header['kid']);
  const challenge = JSON.parse((await server.read(request.url, kid)).body) as { readonly token: string };
  const authorization = request.url.replace('/challenge/', '/authz/').slice(0, -type.length - 1);
  const { identifier } = JSON.parse((await server.read(authorization, kid)).body) as Pick<Offered, 'identifier'>;
  return {
    authorization,
    identifier,
    url: request.url,
    token: challenge.token,
    type,
    keyAuthorization: `${challenge.token}.${key.thumbprint}`,
    account: kid,
  };
}

const bodyOf = ({ token }: Offered, subject: Subject): string | undefined =>
  subject.http?.resources.get(`/.well-known/acme-challenge/${token}`)?.body;

const acmeIdentifier = '1.3.6.1.5.5.7.1.31';
function shownBy({ identifier }: Offered, subject: Subject): x509.X509Certificate {
  return new x509.X509Certificate(subject.tls?.certificates.get(identifier.value)?.cert ?? '');
}
const namesOf = (certificate: x509.X509Certificate): readonly string[] =>
  (certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? []).map(({ value }) => value);

const addresses = (change: (value: string) => string): Serve =>
  objects(anywhere, (object) => ({
    ...object,
    ...(Array.isArray(object['identifiers']) && {
      identifiers: (object['identifiers'] as JsonObject[]).map((one) => ({ ...one, value: change(String(one['value'])) })),
    }),
  }));

const renewal = at('/renewal-info/');
const s9773 = (clause: string, title: string): string[] => [`RFC 9773 §4.${clause} ${title}`];
const windows = (change: (window: JsonObject) => JsonObject): Serve =>
  objects(renewal, (object) => ({ ...object, suggestedWindow: change(object['suggestedWindow'] as JsonObject) }));

export const validationDefects: readonly Defect[] = [
  {
    what: 'tokens are padded',
    caught: s8('tokens are base64url without padding'),
    among: tokenCases,
    serve: tokens((token) => `${token}=`),
  },
  {
    what: 'tokens are short',
    caught: s8('tokens have room for 128 bits'),
    among: tokenCases,
    serve: tokens((token) => token.slice(0, 16)),
  },
  { what: 'all tokens are one', caught: s8('no token is given for two orders'), among: tokenCases, serve: tokens(() => 'A'.repeat(43)) },
  {
    what: 'http-01 takes any text',
    caught: s83('http-01 with another text proves nothing'),
    serve: believing('http-01', (challenge, subject) => bodyOf(challenge, subject) === 'something else'),
  },
  {
    what: 'http-01 looks at the token alone',
    caught: ['RFC 8555 §8.1 http-01 with another key’s authorization proves nothing'],
    serve: believing('http-01', (challenge, subject) => bodyOf(challenge, subject)?.startsWith(`${challenge.token}.`) === true),
  },
  {
    what: 'http-01 is content with nothing',
    caught: s83('http-01 with nothing there proves nothing'),
    serve: believing('http-01', (challenge, subject) => bodyOf(challenge, subject) === undefined),
  },
  {
    what: 'http-01 asks at another host',
    caught: s83('http-01 asks by GET for the token under .well-known, at the name'),
    serve: async (request, server) => {
      const answer = await server.forward(request);
      const { http } = server.subject;
      http?.visits.splice(0, http.visits.length, ...http.visits.map((visit) => ({ ...visit, host: 'elsewhere.example' })));
      return answer;
    },
  },
  {
    what: 'http-01 for an address asks for a name',
    caught: ['RFC 8738 §5 http-01 for an address asks there, and the address is the Host'],
    serve: async (request, server) => {
      const answer = await server.forward(request);
      const { http } = server.subject;
      http?.visits.splice(
        0,
        http.visits.length,
        ...http.visits.map((visit) => (isIP(visit.host) === 0 ? visit : { ...visit, host: `${visit.host}.example` })),
      );
      return answer;
    },
  },
  {
    what: 'dns-01 takes any record',
    caught: ['RFC 8555 §8.4 dns-01 with another digest proves nothing'],
    serve: believing('dns-01', () => true),
  },
  {
    what: 'dns-01 asks for the name itself',
    caught: ['RFC 8555 §8.4 dns-01 asks for TXT records of _acme-challenge below the name'],
    serve: async (request, server) => {
      const answer = await server.forward(request);
      const { zone } = server.subject;
      zone?.asked.splice(0, zone.asked.length, ...zone.asked.map((question) => question.replace('_acme-challenge.', '')));
      return answer;
    },
  },
  {
    what: 'any answer makes an authorization valid',
    caught: [
      'RFC 8555 §7.5.1 a wrong answer makes the authorization invalid, and the challenge says why',
      'RFC 8555 §7.1.6 an order whose authorization is invalid becomes invalid',
    ],
    serve: believing('http-01', (challenge, subject) => bodyOf(challenge, subject) === 'not the key authorization'),
  },
  {
    what: 'tls-alpn-01 offers HTTP, too',
    caught: s3('the handshake names the name and offers acme-tls/1 alone'),
    serve: async (request, server) => {
      const answer = await server.forward(request);
      const { tls } = server.subject;
      tls?.visits.splice(0, tls.visits.length, ...tls.visits.map((visit) => ({ ...visit, protocols: ['acme-tls/1', 'h2'] })));
      return answer;
    },
  },
  {
    what: 'tls-alpn-01 does not compare the digest',
    caught: s3('the digest of another key authorization proves nothing'),
    serve: believing('tls-alpn-01', (challenge, subject) => {
      const certificate = shownBy(challenge, subject);
      return certificate.getExtension(acmeIdentifier)?.critical === true && namesOf(certificate).join() === challenge.identifier.value;
    }),
  },
  {
    what: 'tls-alpn-01 wants no extension',
    caught: s3('a certificate without the acmeIdentifier extension proves nothing'),
    serve: believing('tls-alpn-01', (challenge, subject) => shownBy(challenge, subject).getExtension(acmeIdentifier) === null),
  },
  {
    what: 'the extension of tls-alpn-01 need not be critical',
    caught: s3('an acmeIdentifier extension that is not critical proves nothing'),
    serve: believing('tls-alpn-01', (challenge, subject) => shownBy(challenge, subject).getExtension(acmeIdentifier)?.critical === false),
  },
  {
    what: 'the certificate of tls-alpn-01 may have more names',
    caught: s3('a certificate with a further name proves nothing'),
    serve: believing('tls-alpn-01', (challenge, subject) => namesOf(shownBy(challenge, subject)).length > 1),
  },
  {
    what: 'the certificate of tls-alpn-01 may be for another name',
    caught: s3('a certificate for another name proves nothing'),
    serve: believing('tls-alpn-01', (challenge, subject) => !namesOf(shownBy(challenge, subject)).includes(challenge.identifier.value)),
  },
  {
    what: 'IPv6 addresses are written out',
    caught: ['RFC 8738 §3 an order for 2001:db8::1 and its authorization name it so'],
    serve: addresses((value) => (value === '2001:db8::1' ? '2001:db8:0:0:0:0:0:1' : value)),
  },
  {
    what: 'dns-01 is offered for addresses',
    caught: ['RFC 8738 §7 dns-01 is not offered for an address'],
    serve: objects(authorizations, (object) => ({
      ...object,
      challenges: [
        ...(object['challenges'] as JsonObject[]),
        { type: 'dns-01', url: 'https://a.example/', status: 'pending', token: 'A'.repeat(43) },
      ],
    })),
  },
  {
    what: 'the directory says yes to subdomains in words',
    caught: ['RFC 9444 §4.3 subdomainAuthAllowed of the directory is a boolean'],
    serve: objects(at('/directory'), (object) => ({ ...object, meta: { ...(object['meta'] as JsonObject), subdomainAuthAllowed: 'yes' } })),
  },
  {
    what: 'the authorization of an ancestor does not say that it is one',
    caught: ['RFC 9444 §4 the authorization of an order with an ancestor domain is for the name or for that domain'],
    serve: objects(authorizations, (object) => without(object, 'subdomainAuthAllowed')),
  },
  {
    what: 'an ancestor domain that is none is ignored',
    caught: ['RFC 9444 §4 an ancestor domain that is none of the name’s is refused'],
    serve: overlooking(at('/new-order'), (request, server, signed) => {
      const payload = payloadOf(signed);
      const identifiers = payload['identifiers'] as readonly JsonObject[];
      const isWrong = identifiers.some(
        ({ value, ancestorDomain }) => typeof ancestorDomain === 'string' && !String(value).endsWith(`.${ancestorDomain}`),
      );
      return isWrong
        ? server.repaired(request, {
            payload: base64url({ ...payload, identifiers: identifiers.map((one) => without(one, 'ancestorDomain')) }),
          })
        : undefined;
    }),
  },
  {
    what: 'the padding of a certificate identifier is ignored',
    caught: s9773('1', 'an identifier with padding is refused'),
    serve: (request, server) => server.forward({ ...request, url: request.url.replaceAll('%3D', '') }),
  },
  {
    what: 'a certificate is known by its serial',
    caught: s9773('1', 'an identifier of another certificate authority is refused'),
    serve: bySerial(),
  },
  {
    what: 'an unknown certificate is a bad request',
    caught: s9773('1', 'an unknown certificate is answered with 404'),
    serve: answering(renewal, (answer) => (answer.status === 404 ? { ...answer, status: 400 } : answer)),
  },
  {
    what: 'the window ends before it begins',
    caught: s9773('2', 'suggestedWindow has a start and an end after it'),
    serve: windows(({ start, end }) => ({ start: end, end: start })),
  },
  {
    what: 'the window is an instant',
    caught: s9773('2', 'suggestedWindow has a start and an end after it'),
    serve: windows(({ start }) => ({ start, end: start })),
  },
  {
    what: 'the explanation is words',
    caught: s9773('2', 'explanationURL, where there is one, is a URL'),
    serve: objects(renewal, (object) => ({ ...object, explanationURL: 'in a while' })),
  },
  {
    what: 'nobody is told when to ask again',
    caught: s9773('3', 'the answer says when to ask again'),
    serve: answering(renewal, (answer) => withHeaders(answer, { 'retry-after': undefined })),
  },
];

/** Whatever issuer is named, the last one that was right is meant. */
function bySerial(): Serve {
  let issuer: string | undefined;
  return async (request, server) => {
    const answer = await server.forward(request);
    const [, named, serial] = /\/renewal-info\/([^.]+)\.(.+)$/.exec(request.url) ?? [];
    if (named === undefined || serial === undefined) return answer;
    if (answer.status === 200) issuer = named;
    const isForeign = named === 'aYhba4dGQEHhs3uEe6CuLN4ByNQ' && issuer !== undefined;
    return isForeign ? server.forward({ ...request, url: request.url.replace(named, issuer ?? '') }) : answer;
  };
}
