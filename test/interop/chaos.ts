import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { request, type Answer, type Platform } from '../platform.ts';

/** Stands between clients and a platform and does whatever RFC 8555 leaves to a server, as Pebble does: a client that counts on luck breaks. */
export interface Chaos {
  /** For HTTPS_PROXY: every connection goes to the platform, through the chaos. */
  readonly proxy: string;
  /** For clients of this process. */
  readonly agent: https.Agent;
  /** Good nonces that were refused. */
  refusedNonces(): number;
  /** Lists whose order was turned round. */
  turnedLists(): number;
  stop(): Promise<void>;
}

// Two in a row would be more than clients must bear: RFC 8555 §6.5 has them try again once.
const refuseEvery = 4;

export async function startChaos(platform: Platform): Promise<Chaos> {
  const front = JSON.parse(readFileSync(join(platform.home, 'keys', 'front.json'), 'utf8')) as {
    readonly key: string;
    readonly chain: string;
  };
  const open = new Set<Socket>();
  const counts = { posts: 0, refused: 0, turned: 0 };

  const answered = async (incoming: http.IncomingMessage, body: Buffer): Promise<Answer> => {
    if (incoming.method === 'POST' && ++counts.posts % refuseEvery === 0) {
      counts.refused++;
      return refusal(platform);
    }
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = incoming.headers as Record<string, string>;
    const answer = await request(platform, platform.url + (incoming.url ?? ''), { method: incoming.method ?? 'GET', headers, body });
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
  const outer = http.createServer().on('connect', (_, socket: Socket) => {
    const onward = connect((inner.address() as AddressInfo).port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    for (const end of [socket, onward]) {
      open.add(end);
      end.on('error', () => undefined).on('close', () => open.delete(end));
    }
    socket.pipe(onward).pipe(socket);
  });
  await Promise.all([inner, outer].map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))));

  const agent = new https.Agent({ ca: platform.ca });
  agent.createConnection = () =>
    tls.connect({ host: '127.0.0.1', port: (inner.address() as AddressInfo).port, servername: 'localhost', ca: platform.ca });
  return {
    proxy: `http://127.0.0.1:${(outer.address() as AddressInfo).port}`,
    agent,
    refusedNonces: () => counts.refused,
    turnedLists: () => counts.turned,
    async stop() {
      agent.destroy();
      for (const socket of open) socket.destroy();
      inner.closeAllConnections();
      await Promise.all([inner, outer].map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}

async function refusal(platform: Platform): Promise<Answer> {
  const { headers } = await request(platform, `${platform.url}/acme/profile/default/new-nonce`, { method: 'HEAD' });
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
