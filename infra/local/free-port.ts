import { randomInt } from 'node:crypto';
import net from 'node:net';
import { sharedPort } from './copy/shared-port.ts';

/** The one among ours that `fetch` asks nothing of, as no browser does (WHATWG Fetch, “bad port”). */
const unasked = 10_080;

/**
 * A port of loopback that nobody has: below those that systems give to outgoing connections, one of which might take it before our server does.
 *
 * @throws {Error} when none of many is free
 */
export async function freePort(draw: () => number = () => randomInt(10_000, 32_000)): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const port = draw();
    if (port !== unasked && (await refusalOf(port)) === undefined) return port;
  }
  throw new Error('no free port was found between 10000 and 32000');
}

/** Why nobody can listen on a port of loopback now; undefined: somebody can. */
export function refusalOf(port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', resolve);
    server.listen({ port, host: '127.0.0.1' }, () => server.close(() => resolve(undefined)));
  });
}

/**
 * Keeps a port of loopback from everybody but those who share it, until they listen: whoever chooses a port a second before its server is there finds
 * it taken now and then. Where nothing is shared, it keeps nothing.
 *
 * @returns what gives it up; a second time does nothing
 */
export function holdPort(port: number): Promise<() => Promise<void>> {
  if (sharedPort === undefined) return Promise.resolve(() => Promise.resolve());
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', ...sharedPort }, () => resolve(() => new Promise((closed) => server.close(() => closed()))));
  });
}
