import { generateKeyPairSync } from 'node:crypto';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { toPem } from '#domain/x509/pem.ts';
import { alternativeNames, dns, make } from './pki/made-certificate.ts';

export interface Came {
  /** Which connection, counted from 1. */
  readonly connection: number;
  /** Which request on it, counted from 1. */
  readonly nth: number;
  readonly method: string;
  readonly path: string;
  readonly body: string;
  readonly signature: string;
}
export type Manner = 'answer' | 'reset' | 'reset in the answer';

export interface ClosingFront {
  readonly url: string;
  readonly came: readonly Came[];
  /** How many connections have ended. */
  readonly closed: () => number;
}

const certificate = make({
  subject: 'localhost',
  extensions: [alternativeNames(dns('localhost'))],
  key: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
});
const key = certificate.key.export({ type: 'pkcs8', format: 'pem' });

/** PEM, whom to trust for any of these fronts. */
export const frontCa = toPem('CERTIFICATE', certificate.der);

/**
 * A front that closes connections which it kept, as load balancers do, and always at the worst of times: when a request has come, and nothing was
 * answered. It ends with the test.
 */
export async function closingFront(manner: (came: Came) => Manner, answerOf: (path: string) => object): Promise<ClosingFront> {
  const came: Came[] = [];
  const on = new Map<Socket, { readonly connection: number; requests: number }>();
  let closed = 0;
  const server = https.createServer({ cert: frontCa, key, keepAliveTimeout: 75_000 });
  server.on('secureConnection', (socket) => {
    on.set(socket, { connection: on.size + 1, requests: 0 });
    socket.on('close', () => (closed += 1)).on('error', () => undefined);
  });
  server.on('request', (request, response) => {
    void text(request).then((body) => {
      const of = on.get(request.socket)!;
      of.requests += 1;
      const { url: path = '', method = '' } = request;
      const signature = String(request.headers['signature'] ?? '');
      const one = { connection: of.connection, nth: of.requests, method, path, body, signature };
      came.push(one);
      const how = manner(one);
      if (how === 'reset') return void request.socket.destroy();
      const answer = JSON.stringify(answerOf(path));
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length });
      if (how === 'answer') response.end(answer);
      else response.write(answer.slice(0, 5), () => request.socket.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `https://localhost:${(server.address() as AddressInfo).port}`, came, closed: () => closed };
}

/** The requests that came, each as its connection and its place on that. */
export const order = (came: readonly Came[]): readonly string[] => came.map(({ connection, nth }) => `${connection}.${nth}`);
