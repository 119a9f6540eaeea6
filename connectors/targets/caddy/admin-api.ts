import http from 'node:http';
import { TargetFailure } from '../failure.ts';

/** An answer of Caddy's admin API. */
export interface AdminAnswer {
  readonly status: number;
  /** Parsed JSON; `undefined` when there is none. */
  readonly body: unknown;
  readonly etag: string | undefined;
}

const timeoutMs = 15_000;
const maxBytes = 4_194_304;

/**
 * One request to the admin API. @param address `http://localhost:2019` or `unix:/path`
 * @throws {TargetFailure} `connector` when there is no whole answer
 */
export function askAdmin(
  address: string,
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  options: { readonly body?: unknown; readonly ifMatch?: string | undefined } = {},
): Promise<AdminAnswer> {
  return new Promise((resolve, reject) => {
    const where = address.startsWith('unix:') ? { socketPath: address.slice(5) } : addressOf(address);
    const text = options.body === undefined ? undefined : JSON.stringify(options.body);
    const failed = (reason: string): void => reject(new TargetFailure('connector', `the admin API of Caddy ${reason}`));
    const request = http.request({
      ...where,
      method,
      path,
      agent: false,
      signal: AbortSignal.timeout(timeoutMs),
      // Over a socket Caddy admits the empty name alone.
      setHost: !('socketPath' in where),
      headers: {
        ...('socketPath' in where && { host: '' }),
        ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        ...(options.ifMatch !== undefined && { 'if-match': options.ifMatch }),
      },
    });
    request.on('error', (error: NodeJS.ErrnoException) => failed(`cannot be reached: ${error.code ?? error.name}`));
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= maxBytes) chunks.push(chunk);
        else response.destroy(new Error('too long'));
      });
      response.on('error', () => failed('gave no whole answer'));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: json(chunks), etag: response.headers.etag }));
    });
    request.end(text);
  });
}

function addressOf(address: string): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(address);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port === '' ? '80' : port) };
}

function json(chunks: readonly Buffer[]): unknown {
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return undefined;
  }
}
