import { base64url } from '../key.ts';
import type { HttpRequest } from '../transport.ts';
import { answering, at, objects, overlooking, payloadOf, renaming, without, type Defect, type Serve, type Server } from './defective.ts';

const s76 = (...titles: readonly string[]): string[] => titles.map((title) => `RFC 8555 §7.6 ${title}`);
const s5 = (title: string): string[] => [`RFC 9773 §5 ${title}`];

const newOrder = at('/new-order');
const revokeCert = at('/revoke-cert');

const byKey = (request: HttpRequest, server: Server): boolean => 'jwk' in (server.signed(request)?.header ?? {});
/** Says that it revoked what it refused to. */
const revoking =
  (isSuch: (request: HttpRequest, server: Server, status: number) => boolean): Serve =>
  async (request, server) => {
    const answer = await server.forward(request);
    return revokeCert(request) && answer.status >= 400 && isSuch(request, server, answer.status)
      ? { ...answer, status: 200, body: '' }
      : answer;
  };
const refusing =
  (isSuch: (request: HttpRequest, server: Server) => boolean): Serve =>
  async (request, server) =>
    revokeCert(request) && isSuch(request, server)
      ? {
          status: 403,
          headers: { 'content-type': 'application/problem+json' },
          body: '{"type":"urn:ietf:params:acme:error:unauthorized","detail":"no"}',
        }
      : server.forward(request);

export const revocationDefects: readonly Defect[] = [
  {
    what: 'a certificate may be revoked again',
    caught: s76('a certificate that is revoked already is alreadyRevoked'),
    serve: answering(revokeCert, (answer) => (answer.body.includes(':alreadyRevoked"') ? { ...answer, status: 200, body: '' } : answer)),
  },
  {
    what: 'a second revocation is malformed',
    caught: s76('a certificate that is revoked already is alreadyRevoked'),
    serve: renaming(revokeCert, 'alreadyRevoked', 'malformed'),
  },
  { what: 'the key of a certificate revokes nothing', caught: s76('the key of a certificate revokes it'), serve: refusing(byKey) },
  {
    what: 'authorizations for its names revoke no certificate',
    caught: s76('an account with valid authorizations for all its names revokes a certificate'),
    serve: refusing((request, server) => server.signed(request)?.header['kid'] !== server.owner && !byKey(request, server)),
  },
  {
    what: 'every account may revoke',
    caught: s76('an account that has nothing to do with a certificate does not revoke it: unauthorized'),
    serve: revoking((request, server, status) => status === 403 && !byKey(request, server)),
  },
  {
    what: 'a stranger who would revoke is malformed',
    caught: s76('an account that has nothing to do with a certificate does not revoke it: unauthorized'),
    serve: renaming(revokeCert, 'unauthorized', 'malformed'),
  },
  {
    what: 'every key may revoke',
    caught: s76('a key that is neither an account’s nor the certificate’s revokes nothing'),
    serve: revoking((request, server, status) => status === 403 && byKey(request, server)),
  },
  {
    what: 'certificates are known by their serials',
    caught: s76('a certificate that the server did not make is refused'),
    serve: revoking((_request, _server, status) => status === 404),
  },
  {
    what: 'what is no certificate is revoked',
    caught: s76('what is no certificate is refused'),
    serve: revoking((request, server) => payloadOf(server.signed(request))['certificate'] === 'bm8gY2VydGlmaWNhdGU'),
  },
  {
    what: 'a reason may be any number',
    caught: s76('a reason that RFC 5280 does not know is badRevocationReason'),
    serve: overlooking(revokeCert, (request, server, signed) => {
      const payload = payloadOf(signed);
      return Number(payload['reason']) > 10 ? server.repaired(request, { payload: base64url(without(payload, 'reason')) }) : undefined;
    }),
  },
  {
    what: 'an order does not say what it replaces',
    caught: s5('an order that replaces a certificate says so'),
    serve: objects(newOrder, (object) => without(object, 'replaces')),
  },
  {
    what: 'what is replaced already is a bad request',
    caught: s5('a certificate that was replaced is alreadyReplaced, status 409'),
    serve: answering(newOrder, (answer) => (answer.status === 409 ? { ...answer, status: 400 } : answer)),
  },
  {
    what: 'a certificate may be replaced again',
    caught: s5('a certificate that was replaced is alreadyReplaced, status 409'),
    serve: overlooking(newOrder, async (request, server, signed) => {
      const answer = await server.forward(request);
      return answer.status === 409 ? server.repaired(request, { payload: base64url(without(payloadOf(signed), 'replaces')) }) : answer;
    }),
  },
  {
    what: 'replaces need be no identifier',
    caught: s5('replaces that is no certificate identifier is refused'),
    serve: overlooking(newOrder, (request, server, signed) => {
      const payload = payloadOf(signed);
      return payload['replaces'] === 'no identifier'
        ? server.repaired(request, { payload: base64url(without(payload, 'replaces')) })
        : undefined;
    }),
  },
  {
    what: 'the certificate of anybody may be replaced',
    caught: s5('the certificate of another account is not replaced'),
    serve: overlooking(newOrder, (request, server, signed) =>
      signed.header['kid'] !== server.owner
        ? server.repaired(request, { payload: base64url(without(payloadOf(signed), 'replaces')) })
        : undefined,
    ),
  },
];
