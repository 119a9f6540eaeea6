import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** A refusal as a service of AWS writes it. */
export class Refusal extends Error {
  readonly code: string;
  readonly status: number;
  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** Who signed a request, by what the request says of it. */
export interface Signer {
  readonly accessKeyId: string;
  readonly sessionToken: string | undefined;
  /** Which the signature is for. */
  readonly region: string;
}

export interface AwsJsonService {
  /** For AWS_ENDPOINT_URL_…. */
  readonly url: string;
  /** How often each operation was asked for. */
  readonly requests: Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

/** A service that speaks AWS's JSON over HTTP on this machine; requests that are not signed are refused. @param admit awaited before each operation */
export async function startAwsJson(
  operations: Readonly<Record<string, (input: Record<string, unknown>, signer: Signer) => object | Promise<object>>>,
  admit: (operation: string) => Promise<void> = async () => undefined,
): Promise<AwsJsonService> {
  const requests: Record<string, number> = {};
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const operation = String(request.headers['x-amz-target']).split('.')[1] ?? '';
      requests[operation] = (requests[operation] ?? 0) + 1;
      const answer = async (): Promise<object> => {
        const signer = signerOf(request.headers);
        await admit(operation);
        const act = operations[operation];
        if (act === undefined) throw new Refusal('UnknownOperationException', operation);
        return act(JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>, signer);
      };
      answer().then(
        (body) => send(response, 200, body),
        (error: unknown) => {
          const refusal = error instanceof Refusal ? error : new Refusal('InternalFailure', String(error), 500);
          send(response, refusal.status, { __type: refusal.code, message: refusal.message });
        },
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** @throws {Refusal} when nobody did */
export function signerOf(headers: http.IncomingHttpHeaders): Signer {
  const [, accessKeyId, region] = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/\d{8}\/([^/]+)\//.exec(headers.authorization ?? '') ?? [];
  if (accessKeyId === undefined || region === undefined) throw new Refusal('MissingAuthenticationTokenException', 'not signed', 403);
  const token = headers['x-amz-security-token'];
  return { accessKeyId, region, sessionToken: typeof token === 'string' ? token : undefined };
}

function send(response: http.ServerResponse, status: number, body: object): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
}
