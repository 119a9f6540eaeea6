import { randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { AwsError } from './aws-error.ts';
import type { ObjectAnswer } from './s3.ts';

export interface Services {
  readonly dynamodb: (operation: string, input: unknown) => Promise<object>;
  readonly kms: (operation: string, input: unknown) => object | Promise<object>;
  readonly sqs: (operation: string, input: unknown) => object | Promise<object>;
  readonly s3: (method: string, bucket: string, key: string, headers: http.IncomingHttpHeaders, body: Buffer) => ObjectAnswer;
  /** Runs a function; `asynchronous` returns before it has ended. */
  readonly invoke: (
    functionName: string,
    payload: Buffer,
    asynchronous: boolean,
  ) => Promise<{ readonly payload: Buffer; readonly error?: string }>;
  /** CloudFormation's answer to an event. */
  readonly answered: (token: string, body: string) => boolean;
}

export interface Endpoint {
  readonly url: string;
  close(): Promise<void>;
}

// A request to a service in JSON, and an object: a CRL of a million entries, or a part of an export.
const maxJson = 12 * 1024 * 1024;
const maxObject = 256 * 1024 * 1024;

/** The cloud's one address, on loopback: AWS JSON protocols by their target header, S3 and Lambda by path. */
export async function listen(services: Services, port: number): Promise<Endpoint> {
  const server = http.createServer({ keepAliveTimeout: 120_000, noDelay: true }, (request, response) => {
    const chunks: Buffer[] = [];
    const maxBody = request.method === 'PUT' ? maxObject : maxJson;
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBody) request.destroy();
      else chunks.push(chunk);
    });
    request.on('end', () => {
      const body = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
      serve(services, request, body, response).catch((error: unknown) => refuse(error, request, response));
    });
  });
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(services: Services, request: http.IncomingMessage, body: Buffer, response: http.ServerResponse): Promise<void> {
  const target = request.headers['x-amz-target'];
  const path = request.url ?? '/';
  if (typeof target === 'string') {
    // As the real ones do, nothing is served without a signature's header; the signature itself proves nothing on one machine.
    if (request.headers.authorization === undefined)
      throw new AwsError('MissingAuthenticationTokenException', 'Request is missing Authentication Token', 403);
    const [service = '', operation = ''] = target.split('.');
    const run = service.startsWith('DynamoDB')
      ? services.dynamodb
      : service === 'TrentService'
        ? services.kms
        : service === 'AmazonSQS'
          ? services.sqs
          : undefined;
    if (run === undefined) throw new AwsError('UnknownOperationException', `${target} is not played here`);
    // A string goes out with its headers in one packet.
    const answer = JSON.stringify(await run(operation, JSON.parse(body.toString('utf8'))));
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0', 'content-length': Buffer.byteLength(answer) }).end(answer);
    return;
  }
  const invocation = /^\/2015-03-31\/functions\/([^/]+)\/invocations/.exec(path);
  if (invocation !== null && request.method === 'POST') {
    const asynchronous = request.headers['x-amz-invocation-type'] === 'Event';
    const result = await services.invoke(decodeURIComponent(invocation[1] ?? ''), body, asynchronous);
    response.writeHead(asynchronous ? 202 : 200, {
      'content-type': 'application/json',
      'content-length': result.payload.length,
      ...(result.error !== undefined && { 'x-amz-function-error': result.error }),
    });
    response.end(result.payload);
    return;
  }
  const answered = /^\/cloudformation\/([0-9a-f-]+)$/.exec(path);
  if (answered !== null && request.method === 'PUT') {
    response.writeHead(services.answered(answered[1] ?? '', body.toString('utf8')) ? 200 : 404).end();
    return;
  }
  const [, bucket = '', key = ''] = /^\/([^/?]+)\/?([^?]*)/.exec(path) ?? [];
  const object = services.s3(request.method ?? '', bucket, decodeURIComponent(key), request.headers, unchunked(request.headers, body));
  response.writeHead(object.status, object.headers).end(object.body);
}

/** The SDK sends uploads in signed chunks with a trailing checksum (aws-chunked); the content is between their headers. */
function unchunked(headers: http.IncomingHttpHeaders, body: Buffer): Buffer {
  if (headers['content-encoding']?.includes('aws-chunked') !== true) return body;
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const line = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.toString('latin1', at, line), 16);
    if (line < 0 || !(size > 0)) return Buffer.concat(parts);
    parts.push(body.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

function refuse(error: unknown, request: http.IncomingMessage, response: http.ServerResponse): void {
  const known = error instanceof AwsError ? error : new AwsError('InternalFailure', error instanceof Error ? error.message : 'failed', 500);
  const isObject = request.headers['x-amz-target'] === undefined && request.method !== 'POST';
  const body = isObject
    ? `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${known.code}</Code><Message>${known.message}</Message></Error>`
    : JSON.stringify({ __type: `com.amazonaws#${known.code}`, message: known.message, ...known.extra });
  response.writeHead(known.status, {
    'content-type': isObject ? 'application/xml' : 'application/x-amz-json-1.0',
    'x-amzn-errortype': known.code,
    'x-amzn-requestid': randomUUID(),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
