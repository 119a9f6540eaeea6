import * as z from 'zod';
import { entityTag } from '#contract/header.ts';
import { isConditional, type Route } from '#contract/route.ts';
import { queryOf, sparseAnswer } from '#contract/sparse.ts';
import { ApiProblem, problemBody } from './problem.ts';
import { UsageError } from './usage-error.ts';

/** Where a deployment is, and as whom to speak to it. */
export interface Connection {
  /** Base URL, e.g. `https://localhost:8443`. */
  readonly server: string;
  /** An API key; undefined for what is public, and where `fetch` signs. */
  readonly token: string | undefined;
  /** Requests are signed as an AWS identity. */
  readonly signs?: boolean;
  /** Does the exchange: the built-in `fetch`, or one that trusts another authority. */
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

/** What a route takes. */
export interface Arguments<R extends Route> {
  readonly params?: z.input<R['params']>;
  readonly query?: z.input<R['query']>;
  readonly body?: z.input<R['body']>;
  /** The ETag that a conditional change is made to; `*`: whatever there is. */
  readonly ifMatch?: string | undefined;
  /** Makes a repetition harmless. */
  readonly idempotencyKey?: string | undefined;
}

/**
 * Calls a route of the contract. What is given is checked by the contract's schemas before anything is sent, and so is the answer.
 *
 * @throws {z.ZodError} when an argument is not valid
 * @throws {ApiProblem} when the server refuses, or cannot be reached
 * @throws {UsageError} when it was to be signed and cannot be
 */
export async function call<R extends Route>(connection: Connection, route: R, given: Arguments<R> = {}): Promise<z.output<R['answer']>> {
  const { path, body } = exchangeOf(route, given);
  const url = `${connection.server.replace(/\/$/, '')}${path}`;
  const init: RequestInit = {
    method: route.method,
    headers: {
      accept: `${route.media ?? 'application/json'}, application/problem+json`,
      ...(connection.token !== undefined && { authorization: `Bearer ${connection.token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(given.ifMatch !== undefined && { 'if-match': given.ifMatch }),
      ...(given.idempotencyKey !== undefined && { 'idempotency-key': given.idempotencyKey }),
    },
    ...(body !== undefined && { body }),
  };
  // The built-in fetch keeps some connections, and hears that the other side closed one only by using it (RFC 9112 §9.3.1).
  let triesLeft = route.method === 'GET' || given.idempotencyKey !== undefined ? 3 : 0;
  const exchanged = (): Promise<Response> =>
    connection.fetch(url, init).catch((error: unknown) => {
      if (triesLeft-- > 0 && wasClosed(error)) return exchanged();
      throw error;
    });
  let response: Response;
  try {
    response = await exchanged();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new ApiProblem(0, 'unreachable', `${connection.server} does not answer: ${reasonOf(error)}`);
  }
  const isText = route.media !== undefined && response.status === route.status;
  const answer: unknown = isText ? await response.text() : await response.json().catch(() => undefined);
  if (response.status === route.status || response.status === route.otherwise) {
    const sparse = (given.query as { fields?: string } | undefined)?.fields !== undefined;
    return (sparse ? sparseAnswer(route) : route.answer).parse(answer) as z.output<R['answer']>;
  }
  if (response.status === 202 && route.accepted !== undefined) return route.accepted.parse(answer) as z.output<R['answer']>;
  throw refusalOf(connection.server, response.status, answer, response.headers.get('retry-after'));
}

/**
 * What goes over the wire for a route: path with query, and the body as text.
 *
 * @throws {z.ZodError} when an argument is not valid
 */
export function exchangeOf<R extends Route>(route: R, given: Arguments<R>): { readonly path: string; readonly body: string | undefined } {
  const params = route.params.parse(given.params ?? {}) as Record<string, string>;
  queryOf(route).parse(given.query ?? {});
  if (isConditional(route))
    entityTag.parse(given.ifMatch, { error: () => 'say which version is meant: the ETag that was read, like "v3", or *' });
  route.body.parse(given.body ?? {});
  const path = route.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...(given.query as Record<string, string | number | undefined> | undefined) }))
    if (value !== undefined) query.set(name, value.toString());
  const hasBody = given.body !== undefined && Object.keys(given.body as object).length > 0;
  return { path: `${path}${query.size === 0 ? '' : `?${query.toString()}`}`, body: hasBody ? JSON.stringify(given.body) : undefined };
}

/** The server's refusal as an error. @param answer the parsed body, if it was JSON */
export function refusalOf(server: string, status: number, answer: unknown, retryAfter: string | null | undefined): ApiProblem {
  const problem = problemBody.safeParse(answer).data;
  const code = problem?.type.replace('urn:certctl:error:', '') ?? `status${status}`;
  const gateway = gatewayBody.safeParse(answer).data;
  const detail =
    problem?.detail ??
    problem?.title ??
    (gateway ? `the gateway says: ${gateway.message}` : `the answer is no problem document; is ${server} a certctl server?`);
  return new ApiProblem(status, code, detail, Number(retryAfter ?? Number.NaN), problem?.instance);
}

/** How API Gateway refuses what it does not let through. */
const gatewayBody = z.strictObject({ message: z.string().max(200) });

/** How TLS says that a certificate is of an authority that it does not know. */
const untrusted = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

function wasClosed(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: string } };
  return ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes(cause?.code ?? '');
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message: string };
  const reason = cause?.code ?? cause?.message ?? message;
  return untrusted.has(reason) ? `${reason} (say whom to trust with --ca-file or CERTCTL_CA_FILE)` : reason;
}
