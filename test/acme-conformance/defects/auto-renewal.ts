import { chainOf } from '../certificate.ts';
import { base64url } from '../key.ts';
import { demanding } from '../local-options.ts';
import type { HttpAnswer } from '../transport.ts';
import type { JsonObject } from '../verdict.ts';
import {
  answering,
  at,
  granting,
  objects,
  orders,
  overlooking,
  payloadOf,
  renaming,
  withHeaders,
  without,
  type Concern,
  type Defect,
} from './defective.ts';

const s31 = (part: string, title: string): string[] => [`RFC 8739 §3.1.${part} ${title}`];
const s33 = (title: string): string[] => [`RFC 8739 §3.3 ${title}`];
const next = 'the next certificate is there half a lifetime before the last one ends, for the same key, and valid';

const stars: Concern = ({ url }) => url.includes('/star/');
const newOrder = at('/new-order');
const anHourLater = (date: string | undefined): string | undefined => date && new Date(Date.parse(date) + 3_600_000).toUTCString();
const downloads = (change: (answer: HttpAnswer) => HttpAnswer): Defect['serve'] =>
  answering(stars, (answer) => (answer.status === 200 ? change(answer) : answer));
const isCanceling = (payload: JsonObject): boolean => payload['status'] === 'canceled';

export const autoRenewalDefects: readonly Defect[] = [
  {
    what: 'the least lifetime is said in words',
    caught: ['RFC 8739 §3.2 the directory says the least lifetime and the longest duration in seconds'],
    among: ['§3.2'],
    serve: objects(at('/directory'), (object) => {
      const meta = object['meta'] as JsonObject;
      return { ...object, meta: { ...meta, 'auto-renewal': { ...(meta['auto-renewal'] as JsonObject), 'min-lifetime': 'a minute' } } };
    }),
  },
  {
    what: 'an order keeps to itself how it renews',
    caught: s31('1', 'a new order shows the auto-renewal that the server agrees to'),
    serve: objects(newOrder, (object) => without(object, 'auto-renewal')),
  },
  {
    what: 'an end of its own beside auto-renewal is passed over',
    caught: s31('1', 'notBefore or notAfter beside auto-renewal is malformed'),
    serve: overlooking(newOrder, (request, server, signed) => {
      const payload = payloadOf(signed);
      return 'auto-renewal' in payload && ('notAfter' in payload || 'notBefore' in payload)
        ? server.repaired(request, { payload: base64url(without(payload, 'notAfter', 'notBefore')) })
        : undefined;
    }),
  },
  {
    what: 'the certificate that renews itself is at certificate, too',
    caught: s31('1', 'an issued order is valid and has star-certificate in place of certificate'),
    serve: objects(orders, (object) => ('star-certificate' in object ? { ...object, certificate: object['star-certificate'] } : object)),
  },
  {
    what: 'the certificate that renews itself is somebody else’s',
    caught: s33('the account reads the certificate by POST-as-GET'),
    among: ['§3.1.1', '§3.3 the account'],
    serve: async (request, server) => {
      const answer = await server.forward(request);
      if (!stars(request) || answer.status !== 200) return answer;
      return { ...answer, body: (await server.subject.shared.certificate)?.download.body ?? '' };
    },
  },
  {
    what: 'Cert-Not-Before is an hour late',
    caught: s33('Cert-Not-Before is that of the certificate'),
    serve: downloads((answer) => withHeaders(answer, { 'cert-not-before': anHourLater(answer.headers['cert-not-before']) })),
  },
  {
    what: 'Cert-Not-After is a time of RFC 3339',
    caught: s33('Cert-Not-After is that of the certificate'),
    serve: downloads((answer) => withHeaders(answer, { 'cert-not-after': new Date(answer.headers['cert-not-after'] ?? 0).toISOString() })),
  },
  {
    what: 'orders end before their certificates do',
    caught: s33('no certificate is valid past the end-date'),
    serve: objects(orders, (object) => {
      const renewal = object['auto-renewal'] as JsonObject | undefined;
      return renewal === undefined || object['status'] !== 'valid'
        ? object
        : { ...object, 'auto-renewal': { ...renewal, 'end-date': '2020-01-01T00:00:00Z' } };
    }),
  },
  {
    what: 'nobody reads by GET what everybody may',
    caught: ['RFC 8739 §3.4 where it was agreed on, anybody reads the certificate by GET'],
    serve: answering(
      ({ url, method }) => method === 'GET' && url.includes('/star/'),
      (answer) => (answer.status === 200 ? { ...answer, status: 405 } : answer),
    ),
  },
  {
    what: 'everybody reads by GET what nobody may',
    caught: ['RFC 8739 §3.4 where it was not agreed on, nobody reads the certificate by GET'],
    serve: async (request, server) => {
      const answer = await server.forward(request);
      return stars(request) && request.method === 'GET' && answer.status === 405 ? server.read(request.url, server.owner) : answer;
    },
  },
  {
    what: 'the next certificate is for another key',
    caught: s33(next),
    serve: async (request, server) => {
      const answer = await server.forward(request);
      const [leaf] = stars(request) && answer.status === 200 ? chainOf(answer.body) : [];
      const isNext =
        leaf !== undefined && Date.parse(leaf.validTo) - Date.parse(leaf.validFrom) > 1500 * demanding.auto_renewal.min_lifetime;
      return isNext ? { ...answer, body: (await server.subject.shared.certificate)?.download.body ?? '' } : answer;
    },
  },
  {
    what: 'a canceled order says that it is valid',
    caught: s31('2', 'a canceled order says so'),
    serve: objects(orders, (object) => (isCanceling(object) ? { ...object, status: 'valid' } : object)),
  },
  {
    what: 'the certificate of a canceled order is not found',
    caught: s31('2', 'the certificate of a canceled order is refused as autoRenewalCanceled, status 403'),
    serve: renaming(stars, 'autoRenewalCanceled', 'malformed', 404),
  },
  {
    what: 'any order can be canceled',
    caught: s31('2', 'an order that is not valid is not canceled: autoRenewalCancellationInvalid, status 400'),
    serve: granting(orders, '{"status":"canceled"}', 400),
  },
  {
    what: 'a certificate that renews itself is revoked',
    caught: s31('2', 'a certificate that renews itself is not revoked: autoRenewalRevocationNotSupported, status 403'),
    serve: granting(at('/revoke-cert'), '', 403),
  },
];
