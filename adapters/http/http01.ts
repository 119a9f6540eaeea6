import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import { isDnsName } from '#domain/x509/dns-name.ts';
import { printable, ProbeError } from '#domain/probe/probe.ts';
import { checkedAddress } from '../dns/checked-address.ts';
import type { NameResolver } from '../dns/resolver.ts';

const maxRedirects = 10;
const maxBodyBytes = 16_384;
const connectMs = 5000;
const totalMs = 20_000;
const userAgent = 'certctl-validator (RFC 8555 http-01)';

/** The local host's way to validate what only exists on its own machine; never set by the CDK app. */
export interface Door {
  readonly suffix: string;
  /** An identifier that is answered there as well, in canonical text. */
  readonly ip?: string | undefined;
  readonly address: string;
  readonly http01Port: number;
  readonly tlsAlpn01Port: number;
}

/** Whether a name or address is behind the door. */
export function isBehind(door: Door | undefined, host: string): door is Door {
  return door !== undefined && (host.endsWith(door.suffix) || host === door.ip);
}

interface Hop {
  readonly url: URL;
  readonly address: string;
  readonly port: number;
}

/**
 * Fetches the key authorization as a stranger would see it (RFC 8555 §8.3). Each hop is resolved once, its address judged, and the
 * connection made to that address, so that no second look-up can lead elsewhere.
 *
 * @throws {ProbeError} `dns`, `connection`, `incorrectResponse`; details name no address
 */
export async function fetchKeyAuthorization(
  resolver: NameResolver,
  target: {
    /** A dns name or an address (RFC 8738 §4). */ readonly name: string;
    readonly token: string;
    readonly allowedCidrs: readonly string[];
    readonly door: Door | undefined;
  },
): Promise<string> {
  const deadline = AbortSignal.timeout(totalMs);
  const visited = new Set<string>();
  let url = new URL(`http://${target.name.includes(':') ? `[${target.name}]` : target.name}/.well-known/acme-challenge/${target.token}`);
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    if (visited.has(url.href)) throw new ProbeError('connection', 'the redirects go round in circles');
    visited.add(url.href);
    const hop = await resolveHop(resolver, url, target);
    const answer = await get(hop, deadline);
    if (answer.location === undefined) return answer.body;
    url = redirectTarget(answer.location, url);
  }
  throw new ProbeError('connection', `more than ${maxRedirects} redirects`);
}

function redirectTarget(location: string, from: URL): URL {
  let url: URL;
  try {
    url = new URL(location, from);
  } catch {
    throw new ProbeError('connection', 'a redirect leads to no URL');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new ProbeError('connection', 'a redirect leads to neither http nor https', { final: true });
  if (url.port !== '') throw new ProbeError('connection', 'a redirect leads to another port than 80 or 443', { final: true });
  if (url.username !== '' || url.password !== '') throw new ProbeError('connection', 'a redirect carries credentials', { final: true });
  url.hash = '';
  return url;
}

async function resolveHop(
  resolver: NameResolver,
  url: URL,
  target: { readonly name: string; readonly allowedCidrs: readonly string[]; readonly door: Door | undefined },
): Promise<Hop> {
  const host = url.hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase();
  // The only address that may stand in a URL is the one that is to be proven.
  if (isIP(host) !== 0 ? host !== target.name : !isDnsName(host))
    throw new ProbeError('connection', 'a redirect leads to something that is not a dns name', { final: true });
  const { door } = target;
  if (isBehind(door, host) && url.protocol === 'http:') return { url, address: door.address, port: door.http01Port };
  return { url, address: await checkedAddress(resolver, host, target.allowedCidrs), port: url.protocol === 'https:' ? 443 : 80 };
}

function get(hop: Hop, deadline: AbortSignal): Promise<{ readonly location: string | undefined; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const secure = hop.url.protocol === 'https:';
    const request = (secure ? https : http).request({
      host: hop.address,
      port: hop.port,
      path: hop.url.pathname + hop.url.search,
      method: 'GET',
      agent: false,
      signal: deadline,
      headers: { host: hop.url.host, 'user-agent': userAgent, accept: '*/*', 'accept-encoding': 'identity', connection: 'close' },
      // The proof is the body, which the account key covers: a certificate that is yet to be issued cannot be asked for (as other CAs do).
      ...(secure && {
        servername: isIP(hop.url.hostname.replace(/^\[|\]$/g, '')) === 0 ? hop.url.hostname : '',
        rejectUnauthorized: false,
      }),
      maxHeaderSize: 16_384,
    });
    const connecting = setTimeout(() => request.destroy(new ProbeError('connection', 'no connection within 5 seconds')), connectMs);
    request.on('socket', (socket) => {
      socket.once('connect', () => {
        clearTimeout(connecting);
      });
    });
    request.on('error', (error) => {
      clearTimeout(connecting);
      reject(error instanceof ProbeError ? error : connectionError(error));
    });
    request.on('response', (response) => {
      const status = response.statusCode ?? 0;
      const location = response.headers.location;
      if ([301, 302, 303, 307, 308].includes(status) && location !== undefined) {
        response.destroy();
        resolve({ location, body: '' });
        return;
      }
      if (status !== 200) {
        response.destroy();
        reject(new ProbeError('incorrectResponse', `the web server answered with status ${status}, not 200`));
        return;
      }
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxBodyBytes) {
          response.destroy();
          reject(new ProbeError('incorrectResponse', `the answer is longer than ${maxBodyBytes} bytes`));
        } else chunks.push(chunk);
      });
      response.on('end', () => resolve({ location: undefined, body: Buffer.concat(chunks).toString('utf8').trimEnd() }));
      response.on('error', (error) => reject(connectionError(error)));
    });
    request.end();
  });
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  ETIMEDOUT: 'the connection timed out',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ABORT_ERR: 'no complete answer within 20 seconds',
  HPE_HEADER_OVERFLOW: 'the answer has too many headers',
};

function connectionError(error: Error): ProbeError {
  const code = (error as { code?: string }).code ?? '';
  return new ProbeError('connection', reasons[code] ?? 'the connection failed', { cause: error });
}

/** Compares what the web server answered with what it should. @throws {ProbeError} `incorrectResponse` */
export function assertKeyAuthorization(got: string, expected: string): void {
  if (got === expected) return;
  throw new ProbeError(
    'incorrectResponse',
    `the web server answered "${printable(got)}", not the key authorization "${printable(expected)}"`,
  );
}
