import * as z from 'zod';
import type { Route } from '#contract/route.ts';
import { reachOf, type Caller, type Reach } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';
import { parseObject } from '#domain/json/strict.ts';
import type { HttpRequest, HttpResponse } from '../shared/http.ts';
import type { ProvenAgent } from './agent-authentication.ts';

/** What an operation gets: parsed by the contract's schemas, who asks (undefined on a public route), and how far the permission reaches. */
export interface Input<R extends Route> {
  readonly params: z.output<R['params']>;
  readonly query: z.output<R['query']>;
  readonly body: z.output<R['body']>;
  readonly caller: Caller | undefined;
  /** The agent that the path names and whose signature the request carries; undefined on every route but an agent's. */
  readonly agent: ProvenAgent | undefined;
  readonly request: HttpRequest;
  /** `all`, unless the route's scope is `rows`: then what lies outside does not exist for the caller. */
  readonly reach: Reach;
}

/** Who can be told from a request. */
export interface Authentication {
  /** Whom the bearer token belongs to. @throws {CaError} `unauthenticated` */
  readonly caller: (request: HttpRequest) => Promise<Caller>;
  /** The agent that signed. @throws {CaError} `unauthenticated`, `unauthorized` when the path names another, `gone` when it is retired */
  readonly agent: (request: HttpRequest, pathId: string) => Promise<ProvenAgent>;
}

/** A route bound to the operation that serves it. */
export interface Served {
  readonly route: Route;
  readonly pattern: RegExp;
  readonly run: (input: {
    params: unknown;
    query: unknown;
    body: unknown;
    caller: Caller | undefined;
    agent: ProvenAgent | undefined;
    request: HttpRequest;
    reach: Reach;
  }) => Promise<{ readonly status?: number; readonly body: object | string }>;
}

/** Binds an operation to its declaration; the answer's status may differ where the contract says so in its schema (readiness). */
export function serve<R extends Route>(
  route: R,
  run: (input: Input<R>) => Promise<z.input<R['answer']> | { readonly status: number; readonly answer: z.input<R['answer']> }>,
): Served {
  const pattern = new RegExp(`^${route.path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`);
  return {
    route,
    pattern,
    run: async (input) => {
      const result = await run(input as Input<R>);
      const wrapped = typeof result === 'object' && result !== null && 'answer' in result && 'status' in result;
      const answer = wrapped ? (result as { answer: unknown }).answer : result;
      // The answer is held to the contract too: a field that slipped in is a defect, not a feature.
      const body = route.answer.parse(answer) as object | string;
      return wrapped ? { status: (result as { status: number }).status, body } : { body };
    },
  };
}

/**
 * Finds the route, the caller and the input, checks the permission, runs the operation.
 *
 * @param changing called before an operation that changes something: its audit row wants to be sealed
 */
export function router(
  served: readonly Served[],
  authentication: Authentication,
  changing: () => Promise<void>,
): (request: HttpRequest) => Promise<HttpResponse> {
  return async (request) => {
    const candidates = served.flatMap((candidate) => {
      const match = candidate.pattern.exec(request.path);
      return match === null ? [] : [{ ...candidate, params: { ...match.groups } }];
    });
    if (candidates.length === 0) throw new CaError('notFound', 'no such resource');
    const found = candidates.find(({ route }) => route.method === request.method || (route.method === 'GET' && request.method === 'HEAD'));
    if (found === undefined) {
      throw new CaError('methodNotAllowed', 'the resource does not have this method', {
        allow: candidates.map(({ route }) => route.method),
      });
    }
    const { caller, agent } = await whoAsks(authentication, request, found.route, found.params);
    const reach = permitted(caller, found.route);
    const input = {
      params: parse(found.route.params, found.params, 'the path'),
      query: parse(found.route.query, Object.fromEntries(new URLSearchParams(request.query)), 'the query'),
      body: parse(found.route.body, readBody(request), 'the body'),
      caller,
      agent,
      request,
      reach,
    };
    if (found.route.method !== 'GET') await changing();
    const { status, body } = await found.run(input);
    return {
      status: status ?? found.route.status,
      headers: { 'content-type': found.route.media ?? 'application/json', 'cache-control': 'no-store' },
      body: request.method === 'HEAD' ? '' : typeof body === 'string' ? body : JSON.stringify(body),
    };
  };
}

async function whoAsks(
  authentication: Authentication,
  request: HttpRequest,
  { permission }: Route,
  params: Readonly<Record<string, string>>,
): Promise<{ readonly caller: Caller | undefined; readonly agent: ProvenAgent | undefined }> {
  if (permission === 'public') return { caller: undefined, agent: undefined };
  const proof = permission === 'agent' ? 'signature-input' : permission === 'enrolment' ? 'x-enrolment-token' : undefined;
  if (proof === undefined) return { caller: await authentication.caller(request), agent: undefined };
  if (request.headers[proof] === undefined) {
    await authentication.caller(request);
    throw new CaError('unauthorized', 'this is for agents, who prove themselves by a signature');
  }
  return { caller: undefined, agent: permission === 'agent' ? await authentication.agent(request, params['id'] ?? '') : undefined };
}

function permitted(caller: Caller | undefined, { permission, scope }: Route): Reach {
  if (
    caller === undefined ||
    permission === 'public' ||
    permission === 'authenticated' ||
    permission === 'agent' ||
    permission === 'enrolment'
  )
    return 'all';
  const reach = reachOf(caller, permission);
  if (reach === undefined) throw new CaError('unauthorized', `the permission ${permission} is missing`);
  if (reach !== 'all' && scope !== 'rows')
    throw new CaError('unauthorized', `the permission ${permission} is needed for the whole platform; the grant is for a part of it`);
  return reach;
}

function readBody(request: HttpRequest): unknown {
  if (request.body.length === 0) return {};
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (type !== 'application/json') throw new CaError('unsupportedMediaType', 'the Content-Type must be application/json');
  return parseObject(request.body.toString('utf8'), 'the body');
}

function parse(schema: z.ZodType, value: unknown, what: string): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join('.') ?? '';
  throw new CaError('malformed', `${what}: ${where === '' ? '' : `${where}: `}${issue?.message ?? 'not valid'}`);
}
