import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import middy from '@middy/core';
import { callingPrincipal, type IamPrincipal } from '#domain/access/iam-principal.ts';
import { CaError } from '#domain/error.ts';
import { rateLimitFields } from '#domain/limit/header-fields.ts';
import type { Allowance } from '#domain/limit/limiter.ts';
import { isBalanced, readBalanced } from './load-balancer.ts';
import { log } from './log.ts';

/** A request as routes see it. */
export interface HttpRequest {
  readonly method: string;
  /** Decoded, as API Gateway delivers it. */
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
  /** Of the gateway; never a header that a client can set. */
  readonly sourceIp: string;
  readonly requestId: string;
  /**
   * Set when the gateway's IAM authorizer stood before the request: who asks is then whom it proved, and nothing else that the request says. Undefined
   * principal: somebody who is no role and no user.
   */
  readonly iam?: { readonly principal: IamPrincipal | undefined };
  /** What the limiters said while it was served; told in the answer's RateLimit fields. */
  readonly allowances: Allowance[];
}

export interface HttpResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface HttpOptions {
  readonly maxBodyBytes: number;
  /** The route that an IAM authorizer stands before; the function sees its paths without what they begin with there. */
  readonly iamRoute?: { readonly key: string; readonly prefix: string };
  /** Called before each request, also one that is refused. */
  readonly wake?: (nowMs: number) => void;
  /** Turns any error into the protocol's own answer; adds what every answer carries. */
  readonly refuse: (error: unknown, request: HttpRequest | undefined) => Promise<HttpResponse>;
}

export type HttpHandler = (event: APIGatewayProxyEventV2, context: Context) => Promise<APIGatewayProxyStructuredResultV2>;

/**
 * The chain of every HTTP function: request id and structured log, size limit, decoding, one mapped error. A request that
 * outlasts the function's time is answered before the gateway gives up.
 */
export function httpFunction(serve: (request: HttpRequest) => Promise<HttpResponse>, options: HttpOptions): HttpHandler {
  // One request is one object, whoever answers it.
  const requests = new WeakMap<APIGatewayProxyEventV2, HttpRequest>();
  const requestOf = (event: APIGatewayProxyEventV2): HttpRequest => {
    const request = requests.get(event) ?? readRequest(event, options.iamRoute);
    requests.set(event, request);
    return request;
  };
  const chain = middy<APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2>({
    timeoutEarlyInMillis: 1000,
    timeoutEarlyResponse: () => {
      throw new CaError('unavailable', 'the request took too long; try again', { retryAfter: 15 });
    },
  });
  chain.use({
    before: () => {
      options.wake?.(Date.now());
    },
    onError: async (state) => {
      const request = requestOf(state.event as APIGatewayProxyEventV2);
      state.response = encode(await options.refuse(state.error, request), request);
    },
  });
  chain.handler(async (event: APIGatewayProxyEventV2) => {
    if ((event as unknown as { warmup?: boolean }).warmup === true) return { statusCode: 204 };
    const started = performance.now();
    const request = requestOf(event);
    if (request.body.length > options.maxBodyBytes)
      throw new CaError('payloadTooLarge', `the body is longer than ${options.maxBodyBytes} bytes`);
    const response = await serve(request);
    logRequest(request, response.status, performance.now() - started);
    return encode(response, request);
  });
  return chain;
}

/** Logs what a refusal was about; details of what happened underneath go no further than here. */
export function logRefusal(error: unknown, request: HttpRequest | undefined, status: number): void {
  const facts = { requestId: request?.requestId, method: request?.method, path: request?.path, status };
  if (error instanceof CaError && error.code !== 'internal') {
    const cause = error.cause instanceof Error ? `${error.cause.name}: ${error.cause.message}` : undefined;
    log[status >= 500 ? 'error' : 'info'](`refused: ${error.code}`, {
      ...facts,
      detail: error.message,
      ...(cause !== undefined && { cause }),
    });
  } else {
    log.error('failed', { ...facts, error: error instanceof Error ? error : new Error(String(error)) });
  }
}

function logRequest(request: HttpRequest, status: number, milliseconds: number): void {
  if (log.getLevelName() !== 'DEBUG') return;
  log.debug('served', {
    requestId: request.requestId,
    method: request.method,
    path: request.path,
    status,
    milliseconds: Math.round(milliseconds),
  });
}

function readRequest(event: APIGatewayProxyEventV2, iamRoute: HttpOptions['iamRoute']): HttpRequest {
  // A load balancer says null where API Gateway says nothing.
  const text = event.body as string | null | undefined;
  const body = typeof text === 'string' ? Buffer.from(text, event.isBase64Encoded ? 'base64' : 'utf8') : Buffer.alloc(0);
  if (isBalanced(event)) return { ...readBalanced(event), body, allowances: [] };
  const signed = pathBehind(iamRoute, event);
  return {
    method: event.requestContext.http.method,
    path: signed ?? event.rawPath,
    ...(signed !== undefined && { iam: { principal: callingPrincipal(userArnOf(event)) } }),
    query: event.rawQueryString,
    headers: event.headers,
    body,
    sourceIp: event.requestContext.http.sourceIp,
    requestId: event.requestContext.requestId,
    allowances: [],
  };
}

/** The path of a request that came by the IAM authorizer's route, without what it begins with there. */
function pathBehind(route: HttpOptions['iamRoute'], event: APIGatewayProxyEventV2): string | undefined {
  if (route === undefined) return undefined;
  const { key, prefix } = route;
  return event.routeKey === key && event.rawPath.startsWith(`${prefix}/`) ? event.rawPath.slice(prefix.length) : undefined;
}

/** What the authorizer says, which no client can write to. */
function userArnOf(event: APIGatewayProxyEventV2): unknown {
  const { authorizer } = event.requestContext as { authorizer?: { iam?: { userArn?: unknown } | null } | null };
  return authorizer?.iam?.userArn;
}

function encode(response: HttpResponse, request: HttpRequest): APIGatewayProxyStructuredResultV2 {
  const binary = response.body instanceof Uint8Array;
  return {
    statusCode: response.status,
    headers: { ...response.headers, ...rateLimitFields(request.allowances) },
    ...(response.body !== undefined && { body: binary ? Buffer.from(response.body).toString('base64') : response.body }),
    isBase64Encoded: binary,
  };
}
