import type { ALBEvent } from 'aws-lambda';

/** The parts of a request that a load balancer delivers in its own way. */
export interface BalancedRequest {
  readonly method: string;
  /** Decoded, as API Gateway would have it. */
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly sourceIp: string;
  readonly requestId: string;
}

export function isBalanced(event: object): event is ALBEvent {
  const context = (event as Partial<ALBEvent>).requestContext as object | undefined;
  return context !== undefined && 'elb' in context;
}

/**
 * A request in a load balancer's format. Its own address for the client is the last that it appended to `X-Forwarded-For`; what stands before
 * it is the client's word. Only the load balancer may invoke the function, so nobody else writes the last one.
 */
export function readBalanced(event: ALBEvent): BalancedRequest {
  const headers = event.headers ?? {};
  const query = Object.entries(event.queryStringParameters ?? {}).map(([name, value]) => `${name}=${value ?? ''}`);
  return {
    method: event.httpMethod,
    path: decoded(event.path),
    query: query.join('&'),
    headers,
    sourceIp: (headers['x-forwarded-for'] ?? '').split(',').at(-1)?.trim() ?? '',
    requestId: headers['x-amzn-trace-id'] ?? '',
  };
}

/** What is not valid stays as it is. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
