import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { PlannedRoute } from '../plan.ts';
import type { IamAuthorizer, IamContext } from './iam-authorizer.ts';

/** What a function answers in payload format 2.0. */
interface Answer {
  readonly statusCode?: number;
  readonly headers?: Readonly<Record<string, string | number | boolean>>;
  readonly cookies?: readonly string[];
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
}

export interface GatewayOptions {
  readonly routes: readonly PlannedRoute[];
  /** Paths that are served at all; undefined: all. */
  readonly onlyUnder?: string;
  /** Asked before a route that wants AWS identities; without it nobody gets through to one. */
  readonly authorize?: IamAuthorizer;
  readonly invoke: (functionName: string, event: unknown) => Promise<unknown>;
  readonly failed: (functionName: string, error: unknown) => void;
}

const maxRequest = 10 * 1024 * 1024;
const maxResponse = 6 * 1024 * 1024;
const integrationMs = 30_000;
const textual = /^(?:text\/|application\/(?:json|javascript|xml)\b|application\/[\w.+-]+\+(?:json|xml)\b)/i;

/** An HTTP API: finds the route, makes the event of payload format 2.0, and turns the answer back into a response. */
export function gateway(options: GatewayOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const routes = options.routes.map(compile).sort((a, b) => b.rank - a.rank);
  return (request, response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxRequest) chunks.push(chunk);
    });
    request.on('error', () => response.destroy());
    request.on('end', () => {
      if (size > maxRequest) {
        message(response, 413, 'Request Entity Too Large');
        return;
      }
      serve(Buffer.concat(chunks)).catch(() => message(response, 500, 'Internal Server Error'));
    });

    const serve = async (body: Buffer): Promise<void> => {
      const target = originForm(request.url ?? '/');
      const [rawPath = '/', ...query] = target.split('?');
      const path = decoded(rawPath);
      const method = request.method ?? 'GET';
      const served = options.onlyUnder === undefined || path.startsWith(options.onlyUnder);
      const route = served ? routes.find((candidate) => candidate.method(method) && candidate.pattern.test(path)) : undefined;
      if (route === undefined) {
        message(response, 404, 'Not Found');
        return;
      }
      const asked = { method, target, headers: request.headers, body };
      const iam = route.iam ? await options.authorize?.(asked) : undefined;
      if (route.iam && iam === undefined) {
        message(response, 403, 'Forbidden');
        return;
      }
      const event = makeEvent(request, route.key, path, query.join('?'), body, route.pattern.exec(path)?.groups, iam);
      const outcome = await invoked(route.functionName, event);
      if (outcome === 'failed') message(response, 500, 'Internal Server Error');
      else if (outcome === 'late') message(response, 503, 'Service Unavailable');
      else write(response, method, outcome.answer);
    };

    const invoked = async (functionName: string, event: unknown): Promise<{ answer: unknown } | 'failed' | 'late'> => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<'late'>((resolve) => (timer = setTimeout(() => resolve('late'), integrationMs)));
      try {
        return await Promise.race([options.invoke(functionName, event).then((answer) => ({ answer })), late]);
      } catch (error) {
        options.failed(functionName, error);
        return 'failed';
      } finally {
        clearTimeout(timer);
      }
    };
  };
}

interface CompiledRoute {
  readonly key: string;
  readonly functionName: string;
  readonly pattern: RegExp;
  readonly iam: boolean;
  /** The more specific route wins. */
  readonly rank: number;
  method(method: string): boolean;
}

function compile(route: PlannedRoute): CompiledRoute {
  const [method = 'ANY', path = '/'] = route.key.split(' ');
  const source = path
    .replace(/[.*?^$|()[\]\\]/g, '\\$&')
    .replace(/\{(\w+)\+\}/g, '(?<$1>.+)')
    .replace(/\{(\w+)\}/g, '(?<$1>[^/]+)');
  return {
    key: route.key,
    functionName: route.functionName,
    iam: route.iam,
    pattern: new RegExp(`^${source}$`, 's'),
    rank: (path.includes('+}') ? 0 : path.includes('{') ? 2 : 4) * 1000 + path.length * 2 + (method === 'ANY' ? 0 : 1),
    method: (asked) => method === 'ANY' || method === asked,
  };
}

/** A target in absolute form, as those write it who think that they speak to a proxy, says once more to whom it goes (RFC 9112 §3.2.2). */
function originForm(target: string): string {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, '');
  return path.startsWith('/') || path === target ? path : `/${path}`;
}

/** The HTTP API delivers rawPath decoded; what is not valid stays as it is. */
function decoded(path: string): string {
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function makeEvent(
  request: IncomingMessage,
  routeKey: string,
  rawPath: string,
  rawQueryString: string,
  body: Buffer,
  pathParameters: Record<string, string> | undefined,
  iam: IamContext | undefined,
): object {
  const headers = flatten(request.headers);
  const cookies = request.headers.cookie?.split(/;\s*/);
  const isText = textual.test(headers['content-type'] ?? 'text/plain') && isUtf8(body);
  const host = request.headers.host ?? 'localhost';
  const now = new Date();
  return {
    version: '2.0',
    routeKey,
    rawPath,
    rawQueryString,
    ...(cookies !== undefined && { cookies }),
    headers,
    ...(rawQueryString !== '' && { queryStringParameters: Object.fromEntries(new URLSearchParams(rawQueryString)) }),
    ...(pathParameters !== undefined && { pathParameters: { ...pathParameters } }),
    requestContext: {
      accountId: '000000000000',
      apiId: 'local',
      ...(iam !== undefined && { authorizer: { iam } }),
      domainName: host,
      domainPrefix: host.split('.')[0],
      http: {
        method: request.method,
        path: rawPath,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp: (request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: randomUUID(),
      routeKey,
      stage: '$default',
      time: now.toUTCString(),
      timeEpoch: now.getTime(),
    },
    ...(body.length > 0 && { body: isText ? body.toString('utf8') : body.toString('base64') }),
    isBase64Encoded: body.length > 0 && !isText,
  };
}

/** Text that is not UTF-8 would be damaged on the way, so it travels as bytes. */
function isUtf8(body: Buffer): boolean {
  return body.length === 0 || Buffer.from(body.toString('utf8'), 'utf8').equals(body);
}

function flatten(headers: IncomingHttpHeaders): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name !== 'cookie' && value !== undefined) flat[name] = Array.isArray(value) ? value.join(',') : value;
  }
  return flat;
}

function write(response: ServerResponse, method: string, value: unknown): void {
  const answer: Answer =
    typeof value === 'object' && value !== null && 'statusCode' in value
      ? (value as Answer)
      : {
          statusCode: 200,
          headers: { 'content-type': 'application/json' },
          body: typeof value === 'string' ? value : JSON.stringify(value),
        };
  const body = Buffer.from(answer.body ?? '', answer.isBase64Encoded === true ? 'base64' : 'utf8');
  if (body.length > maxResponse) {
    message(response, 500, 'Internal Server Error');
    return;
  }
  const status = answer.statusCode ?? 200;
  for (const [name, header] of Object.entries(answer.headers ?? {})) response.setHeader(name, String(header));
  if (answer.cookies !== undefined) response.setHeader('set-cookie', [...answer.cookies]);
  // A HEAD's length is that of the GET, which only the function knows.
  if (status !== 204 && status !== 304 && !(method === 'HEAD' && response.hasHeader('content-length')))
    response.setHeader('content-length', body.length);
  response.writeHead(status);
  response.end(method === 'HEAD' || status === 204 || status === 304 ? undefined : body);
}

function message(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) return;
  const body = JSON.stringify({ message: text });
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}
