import { linksOf } from '../verdict.ts';
import {
  accountUrls,
  answering,
  at,
  authorizations,
  certificates,
  objects,
  orders,
  withHeaders,
  without,
  withObject,
  type Concern,
  type Defect,
  type Serve,
} from './defective.ts';

const s71 = (clause: string, ...titles: readonly string[]): string[] => titles.map((title) => `RFC 8555 §7.1${clause} ${title}`);
const s72 = (title: string): string[] => [`RFC 8555 §7.2 ${title}`];
const s742 = (...titles: readonly string[]): string[] => titles.map((title) => `RFC 8555 §7.4.2 ${title}`);

const directory = at('/directory');
const newNonce = at('/new-nonce');
const lists: Concern = ({ url }) => /\/orders(\?|$)/.test(url);

const ofStatus =
  (status: string, change: (object: Record<string, unknown>) => Readonly<Record<string, unknown>>) =>
  (object: Record<string, unknown>): Readonly<Record<string, unknown>> =>
    object['status'] === status ? change(object) : object;
type Part = Record<string, unknown>;
const eachChallenge = (change: (challenge: Part) => object) => (object: Part) => ({
  ...object,
  challenges: (object['challenges'] as Part[]).map(change),
});
const named = (object: Part): Part => object['identifier'] as Part;

const chain = (change: (certificates: readonly string[]) => string): Serve =>
  answering(certificates, (answer) =>
    answer.status === 200 ? { ...answer, body: change(answer.body.match(/-----BEGIN[\s\S]*?END CERTIFICATE-----\n/g) ?? []) } : answer,
  );

const nonceAnswer = (method: string, change: Readonly<Record<string, string | undefined>>, status?: number): Serve =>
  answering(newNonce, (answer, request) =>
    request.method === method ? { ...withHeaders(answer, change), status: status ?? answer.status } : answer,
  );

export const resourceDefects: readonly Defect[] = [
  {
    what: 'an account does not link to the directory',
    caught: s71('', 'answers link to the directory as index'),
    serve: answering(accountUrls, (answer) =>
      withHeaders(answer, { link: linksOf(answer, 'index').length > 0 ? undefined : answer.headers['link'] }),
    ),
  },
  {
    what: 'the directory has no keyChange',
    caught: s71('.1', 'the directory names newNonce, newAccount, newOrder, revokeCert and keyChange by URL'),
    serve: objects(directory, (object) => without(object, 'keyChange')),
  },
  {
    what: 'caaIdentities is one text',
    caught: s71('.1', 'the members of meta have the types that they should have'),
    serve: objects(directory, (object) => ({ ...object, meta: { ...(object['meta'] as Part), caaIdentities: 'ca.example' } })),
  },
  {
    what: 'an account has no status',
    caught: s71('.2', 'an account object has a status'),
    serve: objects(accountUrls, (object) => without(object, 'status')),
  },
  {
    what: 'an account names no orders',
    caught: s71('.2', 'an account object names its list of orders'),
    serve: objects(accountUrls, (object) => without(object, 'orders')),
  },
  {
    what: 'the list of orders has identifiers in place of URLs',
    caught: s71('.2.1', 'the list of orders is an array of URLs', 'an order that is not finalized yet is in the list'),
    serve: objects(lists, (object) => ({ orders: (object['orders'] as string[]).map((url) => url.split('/').at(-1)) })),
  },
  {
    what: 'the list of orders is empty',
    caught: s71('.2.1', 'an order that is not finalized yet is in the list'),
    serve: objects(lists, () => ({ orders: [] })),
  },
  {
    what: 'a ready order does not say where it is finalized',
    caught: s71('.3', 'an order has status, identifiers, authorizations and finalize'),
    serve: objects(
      orders,
      ofStatus('ready', (object) => without(object, 'finalize')),
    ),
  },
  {
    what: 'an order has a name more than was asked for',
    caught: s71('.3', 'an order has the identifiers that were asked for'),
    serve: objects(orders, (object) => ({
      ...object,
      identifiers: [...(object['identifiers'] as Part[]), { type: 'dns', value: 'www.example.com' }],
    })),
  },
  {
    what: 'a pending order does not say when it expires',
    caught: s71('.3', 'an order that is pending or valid says when it expires'),
    serve: objects(
      orders,
      ofStatus('pending', (object) => without(object, 'expires')),
    ),
  },
  {
    what: 'times are seconds since 1970',
    caught: s71('.3', 'an order that is pending or valid says when it expires'),
    serve: objects(
      orders,
      ofStatus('pending', (object) => ({ ...object, expires: Date.parse(String(object['expires'])) / 1000 })),
    ),
  },
  {
    what: 'the second authorization is for another name',
    caught: s71('.3', 'an order for several names has an authorization for each'),
    serve: answering(authorizations, (answer, { url }) =>
      url.endsWith('.1') ? withObject(answer, (object) => ({ ...object, identifier: { type: 'dns', value: 'www.example.com' } })) : answer,
    ),
  },
  {
    what: 'a valid authorization does not say for whom',
    caught: s71('.4', 'an authorization has identifier, status and challenges'),
    serve: objects(
      authorizations,
      ofStatus('valid', (object) => ({ ...object, identifier: { type: 'dns', value: '' } })),
    ),
  },
  {
    what: 'a valid authorization does not say when it expires',
    caught: s71('.4', 'a valid authorization says when it expires'),
    serve: objects(
      authorizations,
      ofStatus('valid', (object) => without(object, 'expires')),
    ),
  },
  {
    what: 'the authorization of a wildcard keeps its star',
    caught: s71('.4', 'the authorization of a wildcard bears the name without *. and wildcard true'),
    serve: objects(authorizations, (object) =>
      object['wildcard'] === true ? { ...object, identifier: { ...named(object), value: `*.${String(named(object)['value'])}` } } : object,
    ),
  },
  {
    what: 'the authorization of a wildcard does not say so',
    caught: s71('.4', 'the authorization of a wildcard bears the name without *. and wildcard true'),
    serve: objects(authorizations, (object) => without(object, 'wildcard')),
  },
  {
    what: 'every authorization is for a wildcard',
    caught: s71('.4', 'an authorization that is no wildcard does not say so'),
    serve: objects(authorizations, (object) => ({ ...object, wildcard: true })),
  },
  {
    what: 'a challenge that was met does not say when',
    caught: s71('.5', 'a challenge has type, url and status, and when it is valid the time of that'),
    serve: objects(
      authorizations,
      eachChallenge((challenge) => without(challenge, 'validated')),
    ),
  },
  {
    what: 'a challenge has a status of its own',
    caught: s71('.5', 'a challenge has type, url and status, and when it is valid the time of that'),
    serve: objects(
      authorizations,
      eachChallenge((challenge) => (challenge['status'] === 'valid' ? { ...challenge, status: 'met' } : challenge)),
    ),
  },
  {
    what: 'challenges are processing before anybody answered',
    caught: s71('.6', 'an order whose authorizations are pending is pending, as are their challenges'),
    serve: objects(
      authorizations,
      eachChallenge((challenge) => (challenge['status'] === 'pending' ? { ...challenge, status: 'processing' } : challenge)),
    ),
  },
  { what: 'HEAD of newNonce has no content', caught: s72('HEAD is answered with 200'), serve: nonceAnswer('HEAD', {}, 204) },
  { what: 'GET of newNonce is found', caught: s72('GET is answered with 204'), serve: nonceAnswer('GET', {}, 200) },
  { what: 'GET of newNonce gives none', caught: s72('both bear a nonce'), serve: nonceAnswer('GET', { 'replay-nonce': undefined }) },
  {
    what: 'a nonce may be cached',
    caught: s72('no cache may keep the answer'),
    serve: nonceAnswer('HEAD', { 'cache-control': 'public, max-age=0, no-cache' }),
  },
  {
    what: 'certificates are octets',
    caught: s742('a certificate comes as application/pem-certificate-chain'),
    serve: answering(certificates, (answer) => withHeaders(answer, { 'content-type': 'application/octet-stream' })),
  },
  {
    what: 'the issuer comes first',
    caught: s742(
      'the first certificate is for the key and the names of the order',
      'each further certificate certifies the one before',
      'a second download is the same certificate',
    ),
    serve: chain((certificates) => [...certificates].reverse().join('')),
  },
  {
    what: 'the chain ends with somebody else',
    caught: s742('each further certificate certifies the one before', 'a second download is the same certificate'),
    serve: chain((certificates) => [...certificates, certificates[0] ?? ''].join('')),
  },
  {
    what: 'the chain has words between the certificates',
    caught: s742('the file holds certificates and nothing else', 'a second download is the same certificate'),
    serve: chain((certificates) => certificates.join('subject=someone\n')),
  },
  {
    what: 'the chain is left out the second time',
    caught: s742('a second download is the same certificate'),
    serve: chain(([leaf = '']) => leaf),
  },
  {
    what: 'the alternate chain begins with the issuer',
    caught: s742('alternate chains are certificates for the same key'),
    serve: async (request, server) => {
      if (!certificates(request)) return server.forward(request);
      if (!request.url.includes('?')) return withHeaders(await server.forward(request), { link: `<${request.url}?other>;rel="alternate"` });
      const whole = await server.read(request.url.replace('?other', ''), server.owner);
      return { ...whole, body: whole.body.replace(/^-----BEGIN[\s\S]*?END CERTIFICATE-----\n/, '') };
    },
  },
];
