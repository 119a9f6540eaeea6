import { base64url, makeKey } from '../key.ts';
import type { HttpRequest } from '../transport.ts';
import {
  accountUrls,
  answering,
  anywhere,
  at,
  authorizations,
  certificates,
  decoded,
  finalizes,
  jwsOf,
  orders,
  overlooking,
  payloadOf,
  renaming,
  withHeaders,
  without,
  withObject,
  type Defect,
  type Serve,
} from './defective.ts';

const directory = at('/directory');
const s61 = (title: string): string[] => [`RFC 8555 §6.1 ${title}`];
const s62 = (title: string): string[] => [`RFC 8555 §6.2 ${title}`];
const s63 = (title: string): string[] => [`RFC 8555 §6.3 ${title}`];
const s64 = (...parts: readonly string[]): string[] =>
  parts.map((part) => `RFC 8555 §6.4 a url that differs in its ${part} is unauthorized`);

/** Takes any request whose JWS has such a shape for what it was made of. */
const taking = (isSuch: (jws: Record<string, unknown>, request: HttpRequest) => boolean): Serve =>
  overlooking(anywhere, (request, server) => (isSuch(jwsOf(request), request) ? server.repaired(request, {}) : undefined));
const headerOf = (jws: Record<string, unknown>): Record<string, unknown> =>
  typeof jws['protected'] === 'string' ? decoded(jws['protected']) : {};

/** Does not see some difference between the url of the header and the one that was asked. */
const blindTo = (isSame: (claimed: string, asked: string) => boolean): Serve =>
  overlooking(anywhere, (request, server, { header }) => {
    const claimed = String(header['url']);
    return claimed !== request.url && isSame(claimed, request.url)
      ? server.repaired(request, { header: { ...header, url: request.url } })
      : undefined;
  });
const pathOf = (url: string): string => new URL(url).pathname + new URL(url).search;

export const requestDefects: readonly Defect[] = [
  {
    what: 'the directory has a URL without TLS',
    caught: s61('every URL of the directory is https'),
    serve: answering(directory, (answer) =>
      withObject(answer, (object) => ({ ...object, keyChange: String(object['keyChange']).replace('https:', 'http:') })),
    ),
  },
  {
    what: 'scripts of other origins cannot read the directory',
    caught: s61('scripts of any origin may read the directory'),
    serve: answering(directory, (answer) => withHeaders(answer, { 'access-control-allow-origin': undefined })),
  },
  {
    what: 'padding of a signature is ignored',
    caught: s61('base64url with padding is refused in the JWS'),
    serve: taking((jws) => String(jws['signature']).endsWith('=')),
  },
  {
    what: 'padding of a CSR is ignored',
    caught: s61('base64url with padding is refused in a CSR'),
    serve: overlooking(finalizes, (request, server, signed) => {
      const { csr } = payloadOf(signed);
      return String(csr).endsWith('=')
        ? server.repaired(request, { payload: base64url({ csr: String(csr).replace(/=+$/, '') }) })
        : undefined;
    }),
  },
  {
    what: 'a signature by any account is good',
    caught: s62('a signature by another key is refused'),
    serve: overlooking(anywhere, (request, server, { header, key }) => {
      const own = server.keyOf(String(header['kid']));
      return own !== undefined && own.thumbprint !== key.thumbprint ? server.repaired(request, { key: own }) : undefined;
    }),
  },
  {
    what: 'the payload is not part of what is verified',
    caught: s62('a payload that was altered is refused'),
    serve: overlooking(anywhere, (request, server, signed) => {
      const { payload } = jwsOf(request);
      return typeof payload === 'string' && payload !== signed.payload ? server.repaired(request, { payload }) : undefined;
    }),
  },
  { what: 'alg none is good', caught: s62('alg none is refused'), serve: taking((jws) => headerOf(jws)['alg'] === 'none') },
  { what: 'MACs are signatures', caught: s62('an alg that is a MAC is refused'), serve: taking((jws) => headerOf(jws)['alg'] === 'HS256') },
  {
    what: 'an unknown alg is malformed',
    caught: s62('an alg that the server does not know is badSignatureAlgorithm and the answer names those that it does'),
    serve: renaming(accountUrls, 'badSignatureAlgorithm', 'malformed'),
  },
  {
    what: 'badSignatureAlgorithm does not say which would be good',
    caught: s62('an alg that the server does not know is badSignatureAlgorithm and the answer names those that it does'),
    serve: answering(anywhere, (answer) => (answer.status >= 400 ? withObject(answer, (object) => without(object, 'algorithms')) : answer)),
  },
  {
    what: 'beside a kid, a jwk is ignored',
    caught: s62('a request with both kid and jwk is refused'),
    serve: overlooking(anywhere, (request, server, { header }) =>
      'kid' in header && 'jwk' in header ? server.repaired(request, { header: without(header, 'jwk') }) : undefined,
    ),
  },
  {
    what: 'who asks for an account need not say who',
    caught: s62('a request with neither kid nor jwk is refused'),
    serve: overlooking(accountUrls, (request, server, { header }) =>
      'kid' in header || 'jwk' in header ? undefined : server.repaired(request, { header: { ...header, kid: request.url } }),
    ),
  },
  {
    what: 'newOrder takes a jwk',
    caught: s62('newOrder with a jwk is refused'),
    serve: overlooking(at('/new-order'), (request, server, { header, key }) => {
      const kid = server.kidOf(key.jwk);
      return 'jwk' in header && kid !== undefined ? server.repaired(request, { header: { ...without(header, 'jwk'), kid } }) : undefined;
    }),
  },
  {
    what: 'newAccount takes a kid',
    caught: s62('newAccount with a kid is refused'),
    serve: overlooking(at('/new-account'), (request, server, { header, key }) =>
      'kid' in header ? server.repaired(request, { header: { ...without(header, 'kid'), jwk: key.jwk } }) : undefined,
    ),
  },
  { what: 'an unprotected header is ignored', caught: s62('an unprotected header is refused'), serve: taking((jws) => 'header' in jws) },
  {
    what: 'of several signatures the first counts',
    caught: s62('several signatures are refused'),
    serve: taking((jws) => Array.isArray(jws['signatures']) && jws['signatures'].length > 1),
  },
  {
    what: 'the general serialization is taken',
    caught: s62('the general serialization is refused'),
    serve: taking((jws) => Array.isArray(jws['signatures']) && jws['signatures'].length === 1),
  },
  {
    what: 'the compact serialization is taken',
    caught: s62('the compact serialization is refused'),
    serve: taking((jws) => 'compact' in jws),
  },
  {
    what: 'crit is not read',
    caught: s62('the unencoded payload option is refused'),
    serve: overlooking(anywhere, (request, server, { header }) =>
      'crit' in header ? server.repaired(request, { header: without(header, 'crit', 'b64') }) : undefined,
    ),
  },
  {
    what: 'any content type will do',
    caught: s62('another content type than application/jose+json is answered with 415'),
    serve: (request, server) =>
      server.forward({
        ...request,
        headers: { ...request.headers, ...(request.body !== undefined && { 'content-type': 'application/jose+json' }) },
      }),
  },
  {
    what: 'a wrong content type is a bad request',
    caught: s62('another content type than application/jose+json is answered with 415'),
    serve: answering(anywhere, (answer) => (answer.status === 415 ? { ...answer, status: 400 } : answer)),
  },
  {
    what: 'the alg is that of the key, whatever the header says',
    caught: s62('a key whose algorithm the header does not name is refused'),
    serve: overlooking(at('/new-account'), (request, server, { header, key }) =>
      header['alg'] !== key.alg ? server.repaired(request, { header: { ...header, alg: key.alg } }) : undefined,
    ),
  },
  {
    what: 'an RSA key may have 1024 bits',
    caught: s62('an RSA key of 1024 bits is badPublicKey'),
    serve: overlooking(at('/new-account'), (request, server, { header, key }) => {
      if (key.alg !== 'RS256') return undefined;
      const other = makeKey();
      return server.repaired(request, { header: { ...header, alg: other.alg, jwk: other.jwk }, key: other });
    }),
  },
  {
    what: 'everybody may GET an authorization',
    caught: s63('an authorization is not to be had by GET: 405'),
    serve: (request, server) =>
      request.method === 'GET' && authorizations(request) ? server.read(request.url, server.owner) : server.forward(request),
  },
  {
    what: 'an order is not found by GET',
    caught: s63('an order is not to be had by GET: 405'),
    serve: answering(anywhere, (answer, { method, url }) =>
      method === 'GET' && url.includes('/order/') ? { ...answer, status: 404 } : answer,
    ),
  },
  {
    what: 'every account may read every order',
    caught: s63('an order is not shown to another account'),
    serve: async (request, server) => {
      const answer = await server.forward(request);
      return orders(request) && answer.status === 404 ? server.read(request.url, server.owner) : answer;
    },
  },
  {
    what: 'every account may download every certificate',
    caught: s63('a certificate is not shown to another account'),
    serve: async (request, server) => {
      const answer = await server.forward(request);
      return certificates(request) && answer.status === 404 ? server.read(request.url, server.owner) : answer;
    },
  },
  {
    what: 'an account is not read by an empty payload',
    caught: s63('an account is read by an empty payload'),
    serve: async (request, server) => {
      const answer = await server.forward(request);
      return accountUrls(request) && server.signed(request)?.payload === '' ? { ...answer, status: 400 } : answer;
    },
  },
  {
    what: 'an order is read by any payload',
    caught: s63('an order is not read by a payload that is an object'),
    serve: overlooking(orders, (request, server, { payload }) => (payload === '' ? undefined : server.repaired(request, { payload: '' }))),
  },
  {
    what: 'the url of the header is not compared',
    caught: s64('path', 'host', 'query', 'trailing slash'),
    serve: blindTo((claimed) => claimed !== 'undefined'),
  },
  {
    what: 'the host of the url is not compared',
    caught: s64('host'),
    serve: blindTo((claimed, asked) => claimed !== 'undefined' && pathOf(claimed) === pathOf(asked)),
  },
  {
    what: 'the query of the url is not compared',
    caught: s64('query'),
    serve: blindTo((claimed, asked) => claimed.split('?')[0] === asked),
  },
  {
    what: 'a slash at the end of the url is not seen',
    caught: s64('trailing slash'),
    serve: blindTo((claimed, asked) => claimed === `${asked}/`),
  },
  {
    what: 'a wrong url is malformed',
    caught: s64('path', 'host', 'query', 'trailing slash'),
    serve: renaming(accountUrls, 'unauthorized', 'malformed'),
  },
  {
    what: 'a url is not wanted',
    caught: ['RFC 8555 §6.4 a request without url is refused'],
    serve: overlooking(anywhere, (request, server, { header }) =>
      'url' in header ? undefined : server.repaired(request, { header: { ...header, url: request.url } }),
    ),
  },
];
