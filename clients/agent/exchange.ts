import https from 'node:https';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { proxyOf } from './proxy.ts';

/** Connections to the platform, each proven by the authority that is pinned. */
export interface Connections {
  /** Kept while they are of use. */
  readonly kept: https.Agent;
  /** For one request each. */
  readonly single: https.Agent;
  close(): void;
}

/** What is sent. */
export interface Said {
  readonly method: string;
  readonly url: URL;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

export interface Heard {
  readonly status: number;
  readonly text: string;
  readonly headers: IncomingHttpHeaders;
  /** Of the socket. */
  readonly localAddress: string | undefined;
}

const maxAnswerBytes = 4 * 1024 * 1024;
// A load balancer closes what idles for a minute (AWS's default), the platform's own front after 75 seconds, NAT gateways later and without a word.
const idleMs = 50_000;
// How a connection ends that the other side had closed already.
const closed = new Set(['ECONNRESET', 'EPIPE']);

/**
 * @param options `ca`: PEM, null for the system's authorities; `idleMs`: when an idle connection is dropped, before the other side does it; `environment`: whose
 * HTTPS_PROXY and NO_PROXY say through which proxy to go (CONNECT: it sees names and lengths, nothing else), this process's if left out
 * @throws {UsageError} for a proxy that cannot be used
 */
export function openConnections(options: {
  readonly ca: string | null;
  readonly maxSockets: number;
  readonly idleMs?: number;
  readonly environment?: NodeJS.ProcessEnv;
}): Connections {
  const proxyEnv = proxyOf(options.environment ?? process.env);
  const trust = { minVersion: 'TLSv1.2' as const, proxyEnv, ...(options.ca !== null && { ca: options.ca }) };
  // What the other side says of itself (`Keep-Alive: timeout=…`) counts where it is shorter.
  const rest = { timeout: options.idleMs ?? idleMs, agentKeepAliveTimeoutBuffer: 5000 };
  const kept = new https.Agent({ ...trust, ...rest, keepAlive: true, maxSockets: options.maxSockets });
  const single = new https.Agent({ ...trust, keepAlive: false });
  return {
    kept,
    single,
    close() {
      kept.destroy();
      single.destroy();
    },
  };
}

/**
 * Sends a request, and once more on a new connection when the one that was kept for it had been closed meanwhile, which is heard of only by using it
 * (RFC 9112 §9.3.1).
 *
 * @param say makes the request; `again` for the second time, as the first may have been taken
 */
export async function exchange(connections: Connections, timeoutMs: number, say: (again: boolean) => Said): Promise<Heard> {
  try {
    return await send(connections.kept, timeoutMs, say(false));
  } catch (error) {
    if (!(error instanceof KeptTooLong)) throw error;
    return await send(connections.single, timeoutMs, say(true));
  }
}

/** A connection that was used before ended without a word of an answer. */
class KeptTooLong extends Error {
  override readonly name = 'KeptTooLong';
}

function send(agent: https.Agent, timeout: number, { method, url, headers, body }: Said): Promise<Heard> {
  return new Promise((resolve, reject) => {
    let answered = false;
    const request = https.request(url, { agent, method, timeout, headers });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', (cause: NodeJS.ErrnoException) => {
      const isOld = request.reusedSocket && !answered && closed.has(cause.code ?? '');
      reject(isOld ? new KeptTooLong(cause.message, { cause }) : cause);
    });
    request.on('response', (response) => {
      answered = true;
      const { localAddress } = response.socket;
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > maxAnswerBytes) request.destroy(new Error('the answer is too long'));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          text: Buffer.concat(chunks).toString('utf8'),
          headers: response.headers,
          localAddress,
        }),
      );
    });
    request.end(body);
  });
}
