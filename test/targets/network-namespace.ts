import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import type { Place } from './nginx-server.ts';

/** A host with a network of its own: one cable to the platform, another to those who look at its server. Needs root. */
export interface NetworkNamespace extends Place {
  /** Lets whoever runs there reach a port of this machine's loopback as `localhost`. */
  readonly forward: (port: number) => Promise<void>;
  /** Pulls the cable to the platform out, or puts it in again. */
  cable(state: 'up' | 'down'): void;
  remove(): Promise<void>;
}

export function makeNamespace(): NetworkNamespace {
  const name = `certctl-${process.pid}`;
  // Of the block that RFC 2544 gives to tests.
  const subnet = `198.${18 + (process.pid % 2)}.${(process.pid >> 1) % 256}`;
  const [near, far] = [`${subnet}.1`, `${subnet}.2`];
  const address = `${subnet}.6`;
  const ip = (...args: readonly string[]): void => void execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const inside = ['-n', name];
  const cables = [
    { outer: `cp${process.pid}`, inner: 'platform', addresses: [`${near}/30`, `${far}/30`] },
    { outer: `cs${process.pid}`, inner: 'site', addresses: [`${subnet}.5/30`, `${address}/30`] },
  ] as const;
  ip('netns', 'add', name);
  ip(...inside, 'link', 'set', 'lo', 'up');
  for (const { outer, inner, addresses } of cables) {
    ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', inner, 'netns', name);
    ip('addr', 'add', addresses[0], 'dev', outer);
    ip(...inside, 'addr', 'add', addresses[1], 'dev', inner);
    ip('link', 'set', outer, 'up');
    ip(...inside, 'link', 'set', inner, 'up');
  }
  const settings = `/etc/netns/${name}`;
  mkdirSync(settings, { recursive: true });
  writeFileSync(`${settings}/hosts`, `${near} localhost\n`);
  const servers: net.Server[] = [];
  const sockets = new Set<net.Socket>();
  return {
    address,
    under: ['ip', 'netns', 'exec', name],
    forward: async (port) => {
      const server = net.createServer((from) => {
        const to = net.connect({ host: '127.0.0.1', port });
        for (const [one, other] of [
          [from, to],
          [to, from],
        ] as const) {
          sockets.add(one);
          one.on('error', () => other.destroy()).on('close', () => sockets.delete(one));
          one.pipe(other);
        }
      });
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(port, near, resolve));
    },
    cable: (state) => ip('link', 'set', cables[0].outer, state),
    async remove() {
      for (const socket of sockets) socket.destroy();
      for (const server of servers) await new Promise((resolve) => server.close(resolve));
      ip('netns', 'del', name);
      rmSync(settings, { recursive: true, force: true });
    },
  };
}
