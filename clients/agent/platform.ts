import type { KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import * as z from 'zod';
import type { Route } from '#contract/route.ts';
import { signRequest } from '#domain/agent/message-signature.ts';
import { exchangeOf, refusalOf, type Arguments } from '../http/call.ts';
import { ApiProblem } from '../http/problem.ts';
import { exchange, openConnections, type Heard, type Said } from './exchange.ts';

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
   * @param onceMore what is sent the second time, when the connection that the first went over had been closed and it is not known whether it was taken
   * @throws {ApiProblem} when the platform refuses, or cannot be reached
   * @throws {z.ZodError} when the answer is not what the contract says
   */
  call<R extends Route>(route: R, given: Arguments<R>, onceMore?: () => Arguments<R>): Promise<z.output<R['answer']>>;
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
// The header's time has whole seconds, and the answer was on its way.
const tolerableMs = 5000;

export function connectPlatform(options: PlatformOptions): PlatformConnection {
  const connections = openConnections({ ca: options.ca, maxSockets: 4 });
  let offset = 0;
  let address: string | null = null;

  const signed = <R extends Route>(route: R, given: Arguments<R>): Said => {
    const { path, body } = exchangeOf(route, given);
    const { method } = route;
    const url = new URL(path, options.server);
    const bytes = Buffer.from(body ?? '');
    const request = { method, path: url.pathname, query: url.search.slice(1), body: bytes };
    return {
      method,
      url,
      body: bytes,
      headers: {
        accept: 'application/json, application/problem+json',
        ...(body !== undefined && { 'content-type': 'application/json', 'content-length': String(bytes.length) }),
        ...(options.enrolmentToken !== undefined && { 'x-enrolment-token': options.enrolmentToken }),
        ...signRequest(request, options.key, options.keyId, Math.floor((Date.now() + offset) / 1000)),
      },
    };
  };

  return {
    async call(route, given, onceMore = () => given) {
      const attempt = async (): Promise<Heard> => {
        try {
          const heard = await exchange(connections, options.timeoutMs ?? 30_000, (again) => signed(route, again ? onceMore() : given));
          if (heard.localAddress !== undefined && isIP(heard.localAddress) !== 0) address = heard.localAddress;
          const skew = Date.parse(String(heard.headers.date)) - Date.now();
          if (Number.isFinite(skew)) offset = Math.abs(skew) < tolerableMs ? 0 : skew;
          return heard;
        } catch (error) {
          if (error instanceof z.ZodError) throw error;
          const { code = '', message } = error as { code?: string; message: string };
          const why = clockErrors[code];
          if (why !== undefined) throw new ApiProblem(0, code, `${options.server} cannot be trusted by this host's clock: ${why}`);
          throw new ApiProblem(0, 'unreachable', `${options.server} does not answer: ${code || message}`);
        }
      };
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
    close: () => connections.close(),
  };
}
