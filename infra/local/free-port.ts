import { randomInt } from 'node:crypto';
import net from 'node:net';

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
