import type * as z from 'zod';
import { entityTag } from '#contract/header.ts';
import { isConditional, type Route } from '#contract/route.ts';
import { queryOf, sparse } from '#contract/sparse.ts';
import { reachOf, type Caller, type Reach } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';
import { parseObject } from '#domain/json/strict.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import type { HttpRequest, HttpResponse } from '../shared/http.ts';
import { knownOnce } from '../shared/known-once.ts';
import { isNotModified } from '../shared/not-modified.ts';
import type { ProvenAgent } from './agent-authentication.ts';
import type { Cursors, ListQuery } from './cursor.ts';
import { tagOf } from './entity-tag.ts';
import type { Once } from './idempotency.ts';

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
  /** The version that a conditional change is made to; undefined: whatever there is. */
  readonly expected: number | undefined;
}

/** Who can be told from a request. */
export interface Authentication {
  /** Whom the bearer token belongs to. @throws {CaError} `unauthenticated` */
  readonly caller: (request: HttpRequest) => Promise<Caller>;
  /** The agent that signed. @throws {CaError} `unauthenticated`, `unauthorized` when the path names another, `gone` when it is retired */
  readonly agent: (request: HttpRequest, pathId: string, remembered: boolean) => Promise<ProvenAgent>;
}

/** What the operation of a list gets besides. */
export interface ListInput<R extends Route> extends Input<R> {
  readonly page: PageRequest;
}

/** A route bound to the operation that serves it. */
export interface Served {
  readonly route: Route;
  readonly pattern: RegExp;
  readonly run: (
    input: Omit<Input<Route>, 'params' | 'query' | 'body'> & { params: unknown; query: unknown; body: unknown },
    cursors: () => Promise<Cursors>,
  ) => Promise<{ readonly status?: number; readonly body: object | string }>;
}
type ItemOf<R extends Route> = z.input<R['answer']> extends { items: readonly (infer Item)[] } ? Item : never;

function patternOf(route: Route): RegExp {
  return new RegExp(`^${route.path.replace(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`);
}

/** Binds an operation to its declaration; the answer's status may differ where the contract says so in its schema (readiness). */
export function serve<R extends Route>(
  route: R,
  run: (
    input: Input<R>,
  ) => Promise<
    z.input<R['answer']> | { readonly status: number; readonly answer: z.input<R['answer']> | z.input<NonNullable<R['accepted']>> }
  >,
): Served {
  return {
    route,
    pattern: patternOf(route),
    run: async (input) => {
      const result = await run(input as Input<R>);
      const wrapped = typeof result === 'object' && result !== null && 'answer' in result && 'status' in result;
      const answer = wrapped ? (result as { answer: unknown }).answer : result;
      // The answer is held to the contract too: a field that slipped in is a defect, not a feature.
      const status = wrapped ? (result as { status: number }).status : undefined;
      const schema = status === 202 && route.accepted !== undefined ? route.accepted : route.answer;
      const body = schema.parse(answer) as object | string;
      return status === undefined ? { body } : { status, body };
    },
  };
}

/** Binds the operation of a list: it gets a part to look up, and says what is in it and where it ends. */
export function serveList<R extends Route, Row>(
  route: R,
  run: (input: ListInput<R>) => Promise<Slice<Row>>,
  show: (row: Row) => ItemOf<R>,
): Served {
  return {
    route,
    pattern: patternOf(route),
    run: async (input, cursors) => {
      const query = input.query as ListQuery;
      const made = await cursors();
      const { rows, next } = await run({ ...(input as Input<R>), page: made.page(route, query) });
      const answer = { items: rows.map(show), next_cursor: next === undefined ? null : made.make(route, query, next) };
      return { body: route.answer.parse(answer) as object };
    },
  };
}

/** Operations that are loaded when the first of their paths is asked for: the schemas of all routes would be half of a start. */
export interface Area {
  /** The first words of their paths: after `/api/v1/`, or after the first slash. */
  readonly under: readonly string[];
  readonly load: () => Promise<readonly Served[]>;
}

export interface RouterPorts {
  /** Called after an operation that may have changed something. */
  readonly changed: () => Promise<void>;
  readonly cursors: () => Promise<Cursors>;
  readonly once: Once;
}

/** Finds the route, the caller and the input, checks the permission, runs the operation. */
export function router(
  areas: readonly Area[],
  authentication: Authentication,
  ports: RouterPorts,
): (request: HttpRequest) => Promise<HttpResponse> {
  const loaded = areas.map(({ under, load }) => ({ under, load: knownOnce(load) }));
  return async (request) => {
    const word = /^\/(?:api\/v1\/)?([^/]*)/.exec(request.path)?.[1] ?? '';
    const served = await Promise.all(loaded.filter(({ under }) => under.includes(word)).map(({ load }) => load()));
    const matching = served.flat().flatMap((candidate) => {
      const match = candidate.pattern.exec(request.path);
      return match === null ? [] : [{ ...candidate, params: { ...match.groups } }];
    });
    // A word that is a path of its own is no id: `…/agents/enrol` is not the agent `enrol` (OpenAPI 3.1, Paths Object).
    const named = matching.filter(({ params }) => Object.keys(params).length === 0);
    const candidates = named.length > 0 ? named : matching;
    if (candidates.length === 0) throw new CaError('notFound', 'no such resource');
    const found = candidates.find(({ route }) => route.method === request.method || (route.method === 'GET' && request.method === 'HEAD'));
    if (found === undefined) {
      throw new CaError('methodNotAllowed', 'the resource does not have this method', {
        allow: candidates.flatMap(({ route }) => (route.method === 'GET' ? ['GET', 'HEAD'] : [route.method])),
      });
    }
    const { route } = found;
    const { caller, agent } = await whoAsks(authentication, request, route, found.params);
    const reach = permitted(caller, route);
    const { fields, ...query } = parse(queryOf(route), readQuery(request), 'the query') as { fields?: string };
    const input = {
      params: parse(route.params, found.params, 'the path'),
      query,
      body: parse(route.body, readBody(request), 'the body'),
      caller,
      agent,
      request,
      reach,
      expected: isConditional(route) ? expectedOf(request) : undefined,
    };
    const answered = async (): Promise<HttpResponse> => {
      const { status, body } = await found.run(input, ports.cursors);
      // A long list is written once, for its tag and for the answer.
      let written: string | undefined;
      const said = (): string => (written ??= JSON.stringify(body));
      const tag = tagOf(route, body, said);
      const text = typeof body === 'string' ? body : fields === undefined ? said() : JSON.stringify(sparse(route, body, fields));
      return responseOf(request, route, status ?? route.status, text, tag);
    };
    if (route.method === 'GET') return answered();
    const response = await ports.once(request, route, caller, answered);
    await ports.changed();
    return response;
  };
}

function responseOf(request: HttpRequest, route: Route, status: number, body: string, tag: string | undefined): HttpResponse {
  const etag = tag === undefined ? undefined : { etag: tag };
  const seen = request.headers['if-none-match'];
  // A version does not tell of what is computed at each look.
  if (route.method === 'GET' && status === 200 && seen !== undefined && tag?.startsWith('W/') === true && isNotModified(seen, tag))
    return { status: 304, headers: { ...etag, 'cache-control': 'no-store' } };
  return {
    status,
    headers: { 'content-type': route.media ?? 'application/json', 'cache-control': 'no-store', ...etag },
    body: request.method === 'HEAD' ? '' : body,
  };
}

async function whoAsks(
  authentication: Authentication,
  request: HttpRequest,
  { permission, remembered }: Route,
  params: Readonly<Record<string, string>>,
): Promise<{ readonly caller: Caller | undefined; readonly agent: ProvenAgent | undefined }> {
  if (permission === 'public') return { caller: undefined, agent: undefined };
  const proof = permission === 'agent' ? 'signature-input' : permission === 'enrolment' ? 'x-enrolment-token' : undefined;
  if (proof === undefined) return { caller: await authentication.caller(request), agent: undefined };
  if (request.iam !== undefined || request.headers[proof] === undefined) {
    await authentication.caller(request);
    throw new CaError('unauthorized', 'this is for agents, who prove themselves by a signature');
  }
  return {
    caller: undefined,
    agent: permission === 'agent' ? await authentication.agent(request, params['id'] ?? '', remembered === true) : undefined,
  };
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

const maxVersion = 2 ** 31 - 1;

/** @throws {CaError} `preconditionRequired` without If-Match (RFC 6585 §3), `malformed` */
function expectedOf(request: HttpRequest): number | undefined {
  const said = request.headers['if-match'];
  if (said === undefined) throw new CaError('preconditionRequired', 'say in If-Match which version is meant: the ETag that you read, or *');
  if (!entityTag.safeParse(said).success) throw new CaError('malformed', 'the header: If-Match: an ETag as it was read, like "v3", or *');
  if (said === '*') return undefined;
  const version = Number(said.slice(2, -1));
  // Versions are counted in 31 bits, from 1: a tag beyond them is one that nothing has had.
  return version > maxVersion ? 0 : version;
}

function readQuery(request: HttpRequest): Record<string, string> {
  const said = [...new URLSearchParams(request.query)];
  const twice = said.find(([name], index) => said.findIndex(([other]) => other === name) !== index);
  if (twice !== undefined) throw new CaError('malformed', `the query: ${twice[0]}: said twice`);
  return Object.fromEntries(said);
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
