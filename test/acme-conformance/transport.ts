import http from 'node:http';
import https from 'node:https';

export interface HttpRequest {
  readonly url: string;
  readonly method: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case; several of one name joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Carries one request to the server under test. */
export type Transport = (request: HttpRequest) => Promise<HttpAnswer>;

const answerSeconds = 40;
const maxAnswerBytes = 1024 * 1024;

/**
 * Connects as any client would.
 *
 * @param ca PEM of who vouches for the server's https; undefined: the authorities that Node knows
 */
export function connect(ca: string | undefined): { readonly transport: Transport; close(): void } {
  const secure = new https.Agent({ keepAlive: true, ...(ca !== undefined && { ca }) });
  const plain = new http.Agent({ keepAlive: true });
  return {
    transport: (request) =>
      exchange(request, request.url.startsWith('https:') ? { via: https, agent: secure } : { via: http, agent: plain }),
    close() {
      secure.destroy();
      plain.destroy();
    },
  };
}

function exchange(
  { url, method, headers, body }: HttpRequest,
  { via, agent }: { readonly via: typeof http | typeof https; readonly agent: http.Agent },
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const settings = { method, agent, timeout: answerSeconds * 1000, headers: { 'user-agent': 'acme-conformance', ...length, ...headers } };
    const sent = via.request(url, settings, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > maxAnswerBytes) response.destroy(new Error(`${url} answered with more than ${maxAnswerBytes} bytes`));
        chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)])),
          body: Buffer.concat(chunks).toString('utf8'),
        }),
      );
    });
    sent.on('timeout', () => sent.destroy(new Error(`${url} did not answer within ${answerSeconds} s`)));
    sent.on('error', reject);
    sent.end(body);
  });
}
