import https from 'node:https';
import type { KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import type * as z from 'zod';
import type { Route } from '#contract/route.ts';
import { signRequest } from '#domain/agent/message-signature.ts';
import { exchangeOf, refusalOf, type Arguments } from '../http/call.ts';
import { ApiProblem } from '../http/problem.ts';

export interface PlatformOptions {
  readonly server: string;
  /** PEM; null: the system's authorities. */
  readonly ca: string | null;
  readonly keyId: string;
  readonly key: KeyObject;
  readonly enrolmentToken?: string;
  readonly timeoutMs?: number;
}

/** The platform, as an agent speaks to it: each request signed, each answer from whom the pinned authority vouches for. */
export interface PlatformConnection {
  /**
   * @throws {ApiProblem} when the platform refuses, or cannot be reached
   * @throws {z.ZodError} when the answer is not what the contract says
   */
  call<R extends Route>(route: R, given: Arguments<R>): Promise<z.output<R['answer']>>;
  /** Milliseconds to add to this host's clock; the platform's answers say so. */
  clockOffset(): number;
  /** Of the socket to the platform. */
  localAddress(): string | null;
  close(): void;
}

// What a wrong clock looks like before anything can be heard of the right one.
const clockErrors: Readonly<Record<string, string>> = {
  CERT_NOT_YET_VALID: 'its certificate is not valid yet; is the clock late?',
  CERT_HAS_EXPIRED: 'its certificate has expired; is the clock early?',
};
const maxAnswerBytes = 4 * 1024 * 1024;
// The header's time has whole seconds, and the answer was on its way.
const tolerableMs = 5000;

export function connectPlatform(options: PlatformOptions): PlatformConnection {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 4, minVersion: 'TLSv1.2', ...(options.ca !== null && { ca: options.ca }) });
  let offset = 0;
  let address: string | null = null;

  const send = (
    method: string,
    path: string,
    body: string | undefined,
  ): Promise<{ status: number; text: string; headers: NodeJS.Dict<string | string[]> }> =>
    new Promise((resolve, reject) => {
      const url = new URL(path, options.server);
      const createdAt = Math.floor((Date.now() + offset) / 1000);
      const bytes = Buffer.from(body ?? '');
      const signed = { method, path: url.pathname, query: url.search.slice(1), body: bytes };
      const request = https.request(url, {
        agent,
        method,
        timeout: options.timeoutMs ?? 30_000,
        headers: {
          accept: 'application/json, application/problem+json',
          ...(body !== undefined && { 'content-type': 'application/json', 'content-length': String(bytes.length) }),
          ...(options.enrolmentToken !== undefined && { 'x-enrolment-token': options.enrolmentToken }),
          ...signRequest(signed, options.key, options.keyId, createdAt),
        },
      });
      request.on('timeout', () => request.destroy(new Error('no answer in time')));
      request.on('error', reject);
      request.on('response', (response) => {
        const local = response.socket.localAddress;
        if (local !== undefined && isIP(local) !== 0) address = local;
        const chunks: Buffer[] = [];
        let length = 0;
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          if (length > maxAnswerBytes) request.destroy(new Error('the answer is too long'));
          else chunks.push(chunk);
        });
        response.on('error', reject);
        response.on('end', () => {
          const skew = Date.parse(String(response.headers.date)) - Date.now();
          if (Number.isFinite(skew)) offset = Math.abs(skew) < tolerableMs ? 0 : skew;
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8'), headers: response.headers });
        });
      });
      request.end(bytes);
    });

  return {
    async call(route, given) {
      const { path, body } = exchangeOf(route, given);
      const attempt = () =>
        send(route.method, path, body).catch((error: unknown) => {
          const { code = '', message } = error as { code?: string; message: string };
          const why = clockErrors[code];
          if (why !== undefined) throw new ApiProblem(0, code, `${options.server} cannot be trusted by this host's clock: ${why}`);
          throw new ApiProblem(0, 'unreachable', `${options.server} does not answer: ${code || message}`);
        });
      const before = offset;
      let response = await attempt();
      // Refused for a clock that is known better by now: once more.
      if (response.status === 401 && Math.abs(offset - before) > tolerableMs) response = await attempt();
      let answer: unknown;
      try {
        answer = JSON.parse(response.text);
      } catch {
        answer = undefined;
      }
      if (response.status === route.status) return route.answer.parse(answer) as never;
      const retryAfter = response.headers['retry-after'];
      throw refusalOf(options.server, response.status, answer, typeof retryAfter === 'string' ? retryAfter : undefined);
    },
    clockOffset: () => offset,
    localAddress: () => address,
    close: () => agent.destroy(),
  };
}
