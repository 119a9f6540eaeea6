import http from 'node:http';
import { listening } from './listening.ts';

/** What http-01 finds under a token (RFC 8555 §8.3). */
export interface HttpResource {
  readonly body?: string;
  /** Redirects there, once. */
  readonly location?: string;
}

export interface HttpVisit {
  readonly method: string;
  readonly path: string;
  readonly host: string;
}

/** Answers http-01. */
export interface HttpResponder {
  readonly port: number;
  /** Path → what is there. */
  readonly resources: Map<string, HttpResource>;
  readonly visits: HttpVisit[];
  stop(): Promise<void>;
}

export async function startHttpResponder(listen: string, port: number): Promise<HttpResponder> {
  const resources: HttpResponder['resources'] = new Map();
  const visits: HttpVisit[] = [];
  const server = http.createServer((request, response) => {
    const path = request.url ?? '';
    visits.push({ method: request.method ?? '', path, host: request.headers.host ?? '' });
    const found = resources.get(path);
    if (found === undefined) response.writeHead(404).end();
    else if (found.location !== undefined) response.writeHead(302, { location: found.location }).end();
    else response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(found.body);
  });
  return {
    port: await listening(server, listen, port),
    resources,
    visits,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
