import { base64url } from '../key.ts';
import type { HttpAnswer, HttpRequest } from '../transport.ts';
import type { JsonObject } from '../verdict.ts';
import {
  accountUrls,
  answering,
  at,
  authorizations,
  challenges,
  objects,
  orders,
  overlooking,
  payloadOf,
  withHeaders,
  withObject,
  without,
  type Concern,
  type Defect,
  type Serve,
  type Server,
} from './defective.ts';

const s63 = (title: string): string[] => [`RFC 8555 §6.3 ${title}`];

/** Refuses what it should serve. */
const withholding = (concern: Concern): Serve =>
  answering(concern, (answer) => (answer.status === 200 ? { ...answer, status: 400 } : answer));
const byGet = (part: string, status: number): Serve =>
  answering(
    ({ method, url }) => method === 'GET' && url.includes(part),
    (answer) => ({ ...answer, status }),
  );
const posts =
  (end: string): Concern =>
  ({ method, url }) =>
    method === 'POST' && url.endsWith(end);
/** Shows to others what is the owner's. */
const shown =
  (concern: Concern): Serve =>
  async (request, server) => {
    const answer = await server.forward(request);
    return concern(request) && request.method === 'POST' && answer.status === 404 ? server.read(request.url, server.owner) : answer;
  };

/** Calls a proof by one kind of challenge none. */
const disbelieving =
  (type: string, isSuch: (challenge: JsonObject, server: Server) => boolean = () => true): Serve =>
  async (request, server) => {
    const answer = await server.forward(request);
    if (!authorizations(request)) return answer;
    return withObject(answer, (object) => {
      const met = (object['challenges'] as JsonObject[] | undefined)?.find(({ status }) => status === 'valid');
      return met?.['type'] === type && isSuch(met, server) ? { ...object, status: 'invalid' } : object;
    });
  };
const there = ({ token }: JsonObject, { subject }: Server): { readonly body?: string; readonly location?: string } =>
  subject.http?.resources.get(`/.well-known/acme-challenge/${String(token)}`) ?? {};

const newAccount = at('/new-account');
const newOrder = at('/new-order');

async function elsewhere(answer: HttpAnswer, server: Server): Promise<HttpAnswer> {
  const other = await server.subject.shared.ready;
  return withHeaders(answer, { location: other?.url });
}

const isBy = (request: HttpRequest, server: Server): boolean => server.signed(request)?.header['kid'] === server.owner;

export const withheldDefects: readonly Defect[] = [
  {
    what: 'newNonce has no GET',
    caught: ['RFC 8555 §6.1 the directory answers to a GET without a signature'],
    serve: byGet('/new-nonce', 405),
  },
  { what: 'EC keys open nothing', caught: ['RFC 8555 §6.2 RS256 or ES256 is understood'], serve: withholding(accountUrls) },
  { what: 'an order is not read', caught: s63('an order is read by an empty payload'), serve: withholding(orders) },
  {
    what: 'an authorization is not read',
    caught: [...s63('an authorization is read by an empty payload'), 'RFC 8555 §7.5 an authorization is read'],
    among: ['an authorization is not to be had', 'an authorization is not shown'],
    serve: withholding(authorizations),
  },
  {
    what: 'a challenge is not read',
    caught: s63('a challenge is read by an empty payload'),
    among: ['§6.3'],
    serve: withholding(challenges),
  },
  {
    what: 'the directory is to be had by GET alone',
    caught: s63('the directory is read by POST-as-GET, too'),
    serve: answering(posts('/directory'), (answer) => ({ ...answer, status: 405 })),
  },
  {
    what: 'a nonce is to be had by GET and HEAD alone',
    caught: s63('newNonce is read by POST-as-GET, too'),
    serve: answering(posts('/new-nonce'), (answer) => ({ ...answer, status: 405 })),
  },
  { what: 'an account is not found by GET', caught: s63('an account is not to be had by GET: 405'), serve: byGet('/account/', 404) },
  { what: 'everybody may GET a challenge', caught: s63('a challenge is not to be had by GET: 405'), serve: byGet('/challenge/', 200) },
  {
    what: 'every account may read every account',
    caught: s63('an account is not shown to another account'),
    serve: async (request, server) =>
      accountUrls(request) && server.signed(request)?.header['kid'] !== request.url
        ? server.read(request.url, request.url)
        : server.forward(request),
  },
  {
    what: 'every account may read every authorization',
    caught: s63('an authorization is not shown to another account'),
    serve: shown(authorizations),
  },
  { what: 'every account may read every challenge', caught: s63('a challenge is not shown to another account'), serve: shown(challenges) },
  {
    what: 'of two authorizations the second is soon over',
    caught: ['RFC 8555 §7.1.6 an order whose authorizations are all valid is ready'],
    serve: answering(authorizations, (answer, { url }) =>
      url.endsWith('.1')
        ? withObject(answer, (object) => (object['status'] === 'valid' ? { ...object, status: 'expired' } : object))
        : answer,
    ),
  },
  {
    what: 'an update takes over what it does not know',
    caught: ['RFC 8555 §7.3.2 unknown members of an update are ignored'],
    serve: async (request, server) => {
      const answer = await server.forward(request);
      const isUnknown = accountUrls(request) && 'unheardOf' in payloadOf(server.signed(request));
      return isUnknown ? withObject(answer, (object) => ({ ...object, unheardOf: 1 })) : answer;
    },
  },
  {
    what: 'no binding is good enough',
    caught: ['RFC 8555 §7.3.4 an account with a right binding is made'],
    serve: async (request, server) => {
      const answer = await server.forward(request);
      return newAccount(request) && answer.status < 300 ? { ...answer, status: 403 } : answer;
    },
  },
  {
    what: 'the Location of an order is that of another',
    caught: ['RFC 8555 §7.4 the URL of an order is where it can be read'],
    among: ['RFC 8555 §7.4 a new order', 'RFC 8555 §7.4 an order without', 'RFC 8555 §7.4 a CSR with another'],
    serve: async (request, server) => {
      const answer = await server.forward(request);
      return newOrder(request) && answer.status === 201 ? elsewhere(answer, server) : answer;
    },
  },
  {
    what: 'who ordered a certificate cannot revoke it',
    caught: [
      'RFC 8555 §7.6 the account that ordered a certificate revokes it',
      'RFC 8555 §7.6 a certificate that is revoked already is alreadyRevoked',
    ],
    serve: async (request, server) => {
      const answer = await server.forward(request);
      return at('/revoke-cert')(request) && answer.status === 200 && isBy(request, server) ? { ...answer, status: 403 } : answer;
    },
  },
  {
    what: 'http-01 is never believed',
    caught: [
      'RFC 8555 §8.3 http-01 with the key authorization proves a name',
      'RFC 8555 §8.3 http-01 ignores white space after the key authorization',
      'RFC 8555 §8.3 http-01 follows a redirect',
    ],
    serve: disbelieving('http-01'),
  },
  {
    what: 'white space is part of a key authorization',
    caught: ['RFC 8555 §8.3 http-01 ignores white space after the key authorization'],
    serve: disbelieving('http-01', (challenge, server) => /\s$/.test(there(challenge, server).body ?? '')),
  },
  {
    what: 'http-01 stays where it is',
    caught: ['RFC 8555 §8.3 http-01 follows a redirect'],
    serve: disbelieving('http-01', (challenge, server) => there(challenge, server).location !== undefined),
  },
  {
    what: 'dns-01 is never believed',
    caught: [
      'RFC 8555 §8.4 dns-01 with the digest among other records proves a name',
      'RFC 8555 §8.4 dns-01 proves a name and its wildcard by two records of one name',
    ],
    serve: disbelieving('dns-01'),
  },
  {
    what: 'a wildcard is never proven',
    caught: ['RFC 8555 §8.4 dns-01 proves a name and its wildcard by two records of one name'],
    serve: objects(authorizations, (object) =>
      object['wildcard'] === true && object['status'] === 'valid' ? { ...object, status: 'invalid' } : object,
    ),
  },
  {
    what: 'tls-alpn-01 is never believed',
    caught: ['RFC 8737 §3 tls-alpn-01 with the right certificate proves a name'],
    serve: disbelieving('tls-alpn-01'),
  },
  {
    what: 'IPv4 addresses have zeros in front',
    caught: ['RFC 8738 §3 an order for 192.0.2.1 and its authorization name it so'],
    serve: objects(newOrder, (object) => ({
      ...object,
      identifiers: (object['identifiers'] as JsonObject[]).map((one) =>
        one['value'] === '192.0.2.1' ? { ...one, value: '192.000.002.001' } : one,
      ),
    })),
  },
  {
    what: 'an address may have three numbers',
    caught: ['RFC 8738 §3 a text that is no address is refused'],
    serve: overlooking(newOrder, (request, server, signed) => {
      const payload = payloadOf(signed);
      const [first] = payload['identifiers'] as JsonObject[];
      return first?.['value'] === '192.0.2'
        ? server.repaired(request, { payload: base64url({ ...payload, identifiers: [{ type: 'ip', value: '192.0.2.1' }] }) })
        : undefined;
    }),
  },
  {
    what: 'renewal is told to accounts only',
    caught: ['RFC 9773 §4.1 anybody may ask when a certificate is to be renewed'],
    among: ['another certificate authority'],
    serve: answering(at('/renewal-info/'), (answer) => (answer.status === 200 ? { ...answer, status: 401 } : answer)),
  },
  {
    what: 'a certificate may be replaced by one for other names',
    caught: ['RFC 9773 §5 a certificate with none of the names of the order is not replaced'],
    serve: overlooking(newOrder, async (request, server, signed) => {
      const answer = await server.forward(request);
      const isOther = answer.status === 400 && answer.body.includes('shares no identifier');
      return isOther ? server.repaired(request, { payload: base64url(without(payloadOf(signed), 'replaces')) }) : answer;
    }),
  },
];
