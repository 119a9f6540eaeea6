import type { AccountRequest } from '#domain/acme/authenticate.ts';
import { starCertificate } from '#domain/acme/star-certificate.ts';
import { CaError } from '#domain/error.ts';
import { pemChain } from '#domain/x509/pem.ts';
import type { HttpResponse } from '../shared/http.ts';
import type { Call } from './call.ts';

const chainType = 'application/pem-certificate-chain';
// Who says with every request what most answers come as means no other format (Greenlock, @root/acme).
const acceptable = [chainType, 'application/*', '*/*', 'application/json', 'application/jose+json'];
// A cancellation must reach whoever asks through a cache, too.
const maxStarAge = 600;

/** RFC 8555 §7.4.2 */
export async function downloadCertificate(call: Call, signed: AccountRequest): Promise<HttpResponse> {
  assertAcceptable(call);
  const id = call.ids[0] ?? '';
  const found = await call.ports.orders.certificate(signed.who, id);
  if (found === undefined) throw noSuchCertificate();
  return chainAnswer(call, found, (number) => (number === 0 ? call.urls.certificate(id) : call.urls.alternate(id, number)));
}

/** RFC 8739 §3.3. @param signed undefined: by GET, where the order allows it (§3.4) */
export async function downloadStarCertificate(call: Call, signed?: AccountRequest): Promise<HttpResponse> {
  assertAcceptable(call);
  const id = call.ids[0] ?? '';
  const found = await starCertificate(call.ports, call.profile, id, signed);
  const url = call.urls.starCertificate(id);
  const answer = await chainAnswer(call, found, (number) => (number === 0 ? url : `${url}/${number}`));
  const fresh = Math.floor(
    (Math.min(found.notAfter.getTime(), found.next?.getTime() ?? Number.POSITIVE_INFINITY) - call.ports.chance.now()) / 1000,
  );
  return {
    ...answer,
    headers: {
      ...answer.headers,
      'cert-not-before': found.notBefore.toUTCString(),
      'cert-not-after': found.notAfter.toUTCString(),
      ...(signed === undefined && { 'cache-control': `public, max-age=${Math.max(0, Math.min(maxStarAge, fresh))}` }),
    },
  };
}

/** The leaf with the chain that was asked for, and links to the others. */
async function chainAnswer(
  call: Call,
  { caId, certificate }: { readonly caId: string; readonly certificate: Uint8Array },
  urlOf: (number: number) => string,
): Promise<HttpResponse> {
  const { chain } = await call.ports.authority(caId);
  const chains = [chain, ...(await call.ports.alternateChains(caId))];
  const number = Number(call.ids[1] ?? 0);
  const asked = chains[number];
  if (asked === undefined) throw noSuchCertificate();
  const others = chains.flatMap((_, other) => (other === number ? [] : [`<${urlOf(other)}>;rel="alternate"`]));
  return {
    status: 200,
    headers: { 'content-type': chainType, ...(others.length > 0 && { link: others.join(', ') }) },
    body: pemChain([certificate, ...asked]),
  };
}

function noSuchCertificate(): CaError {
  return new CaError('notFound', 'no such certificate');
}

function assertAcceptable({ request }: Call): void {
  if (!accepts(request.headers['accept'])) throw new CaError('notAcceptable', `the certificate comes as ${chainType}`);
}

function accepts(header: string | undefined): boolean {
  if (header === undefined || header.trim() === '') return true;
  return header.split(',').some((item) => {
    const [type = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase());
    return acceptable.includes(type) && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
}
