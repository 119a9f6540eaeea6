import { readFileSync } from 'node:fs';
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { request, startPlatform, until } from '../platform.ts';

const systemsBound = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));
const count = 1500;

test.skipIf(systemsBound < count)(
  'given a platform that is busy for a while and a fleet that connects meanwhile, every connection is kept for it',
  async () => {
    const platform = await startPlatform();
    onTestFinished(async () => {
      await platform.stop();
    });
    const { copies } = platform.instance;
    const sockets: net.Socket[] = [];
    let connected = 0;
    for (const pid of copies) process.kill(pid, 'SIGSTOP');
    try {
      for (let n = 0; n < count; n++) {
        const socket = net.connect(Number(new URL(platform.url).port), '127.0.0.1', () => (connected += 1));
        sockets.push(socket.on('error', () => undefined));
      }
      await until('all are connected', () => connected === count || undefined);
    } finally {
      for (const pid of copies) process.kill(pid, 'SIGCONT');
      for (const socket of sockets) socket.destroy();
    }
    expect((await request(platform, `${platform.url}/health`)).status).toBe(200);
  },
);
