import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { request, startPlatform, type Answer, type Platform, type Target } from '../platform.ts';

/** Stands between clients and a platform and does whatever RFC 8555 leaves to a server, as Pebble does: a client that counts on luck breaks. */
export interface Chaos {
  /** Good nonces that were refused. */
  refusedNonces(): number;
  /** Lists whose order was turned round. */
  turnedLists(): number;
  stop(): Promise<void>;
}

/** Chaos that a client goes through by its own choice. */
export interface ProxiedChaos extends Chaos {
  /** For HTTPS_PROXY: every connection goes to the platform, through the chaos. */
  readonly proxy: string;
  /** For clients of this process. */
  readonly agent: https.Agent;
}

// Two in a row would be more than clients must bear: RFC 8555 §6.5 has them try again once.
const refuseEvery = 4;

/** Chaos behind a proxy, for clients that ask one. */
export async function startChaos(platform: Platform): Promise<ProxiedChaos> {
  const stirring = stir(platform, platform);
  const outer = http.createServer().on('connect', (_, socket: Socket) => {
    stirring.take(socket);
    socket.write('HTTP/1.1 200 OK\r\n\r\n');
  });
  await listening(outer, 0, '127.0.0.1');
  const proxy = `http://127.0.0.1:${portOf(outer)}`;

  const direct = createServer((socket) => stirring.take(socket));
  await listening(direct, 0, '127.0.0.1');
  const agent = new https.Agent({ ca: platform.ca });
  agent.createConnection = () => tls.connect({ host: '127.0.0.1', port: portOf(direct), servername: 'localhost', ca: platform.ca });
  return {
    proxy,
    agent,
    ...stirring.counted,
    async stop() {
      agent.destroy();
      stirring.stop();
      await Promise.all([outer, direct].map(closed));
    },
  };
}

/**
 * A platform with chaos before its own address, for clients that ask no proxy: Go never asks one the way to localhost. The platform listens beside it on
 * 127.0.0.2; until it is ready, connections are passed on untouched, for it orders the certificate of its front from itself.
 */
export async function startPlatformInChaos(args: readonly string[]): Promise<{ readonly platform: Platform; readonly chaos: Chaos }> {
  const begun: { stirring?: Stirring } = {};
  const passing = new Set<Socket>();
  const front = createServer((socket) => {
    if (begun.stirring !== undefined) {
      begun.stirring.take(socket);
      return;
    }
    const onward = connect(portOf(front), aside);
    for (const end of [socket, onward]) {
      passing.add(end);
      end.on('error', () => undefined).on('close', () => passing.delete(end));
    }
    socket.pipe(onward).pipe(socket);
  });
  await listening(front, 0, '127.0.0.1');
  const port = String(portOf(front));
  const preload = join(import.meta.dirname, 'beside.mjs');
  const platform = await startPlatform({
    args: ['--port', port, ...args],
    env: { FRONT_PORT: port, NODE_OPTIONS: `${process.env['NODE_OPTIONS'] ?? ''} --import ${preload}` },
  });
  const { ca, url } = platform;
  const stirring = stir(platform, { url, ca, connectTo: { 'https:': { host: aside, port: Number(port) } } });
  begun.stirring = stirring;
  return {
    platform,
    chaos: {
      ...stirring.counted,
      async stop() {
        stirring.stop();
        for (const socket of passing) socket.destroy();
        await closed(front);
      },
    },
  };
}

const aside = '127.0.0.2';

interface Stirring {
  /** Serves a connection of a client, which begins with TLS. */
  take(socket: Socket): void;
  readonly counted: Pick<Chaos, 'refusedNonces' | 'turnedLists'>;
  stop(): void;
}

/** @param target where the platform answers by itself */
function stir(platform: Platform, target: Target): Stirring {
  const front = JSON.parse(readFileSync(join(platform.home, 'keys', 'front.json'), 'utf8')) as {
    readonly key: string;
    readonly chain: string;
  };
  const open = new Set<Socket>();
  const counts = { posts: 0, refused: 0, turned: 0 };

  const answered = async (incoming: http.IncomingMessage, body: Buffer): Promise<Answer> => {
    if (incoming.method === 'POST' && ++counts.posts % refuseEvery === 0) {
      counts.refused++;
      return refusal(target);
    }
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = incoming.headers as Record<string, string>;
    const answer = await request(target, target.url + (incoming.url ?? ''), { method: incoming.method ?? 'GET', headers, body });
    return answer.headers['content-type'] === 'application/json' ? withObject(answer, (object) => stirred(object, counts)) : answer;
  };

  const inner = https.createServer({ key: front.key, cert: front.chain }, (incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      answered(incoming, Buffer.concat(chunks)).then(
        ({ status, headers, body }) => {
          const { 'transfer-encoding': _encoding, connection: _connection, 'content-length': _length, ...kept } = headers;
          response.writeHead(status, kept).end(body);
        },
        () => response.destroy(),
      );
    });
  });
  return {
    take(socket) {
      open.add(socket);
      socket.on('error', () => undefined).on('close', () => open.delete(socket));
      inner.emit('connection', socket);
    },
    counted: { refusedNonces: () => counts.refused, turnedLists: () => counts.turned },
    stop() {
      for (const socket of open) socket.destroy();
    },
  };
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => server.once('error', reject).listen(port, host, () => resolve()));
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function closed(server: Server): Promise<unknown> {
  return new Promise((resolve) => server.close(resolve));
}

async function refusal(target: Target): Promise<Answer> {
  const { headers } = await request(target, `${target.url}/acme/profile/default/new-nonce`, { method: 'HEAD' });
  const problem = { type: 'urn:ietf:params:acme:error:badNonce', detail: 'refused by chance', status: 400 };
  const kept = { 'content-type': 'application/problem+json', 'replay-nonce': headers['replay-nonce'] ?? '', 'cache-control': 'no-store' };
  return withObject({ status: 400, headers: kept, body: Buffer.alloc(0), text: '{}', json: () => ({}) }, () => problem);
}

/** Lists have no order that a client may count on, and objects may have members that it does not know (RFC 8555 §7.1). */
function stirred(object: Record<string, unknown>, counts: { turned: number }): Record<string, unknown> {
  const turned = (list: unknown): unknown => {
    if (!Array.isArray(list) || list.length < 2) return list;
    counts.turned++;
    return [...(list as unknown[])].reverse();
  };
  if ('newNonce' in object) return { AAtEWTDCBUo: 'https://example.com/unheard-of', ...object };
  if ('challenges' in object) {
    const challenges = [
      ...(object['challenges'] as object[]),
      { type: 'unheard-of-01', url: 'https://example.com/', status: 'pending', token: 'none' },
    ];
    return { ...object, challenges: turned(challenges) };
  }
  return 'authorizations' in object ? { ...object, authorizations: turned(object['authorizations']) } : object;
}

function withObject(answer: Answer, change: (object: Record<string, unknown>) => Record<string, unknown>): Answer {
  const text = JSON.stringify(change(answer.json()));
  return { ...answer, text, body: Buffer.from(text), json: () => JSON.parse(text) as Record<string, unknown> };
}
