import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { freePort } from './free-port.ts';

test('neither a port that somebody has is chosen, nor the one that fetch refuses', async () => {
  const server = http.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port: taken } = server.address() as AddressInfo;
  try {
    const free = await freePort();
    const drawn = [taken, 10_080, free];
    expect(await freePort(() => drawn.shift() ?? 0)).toBe(free);
    await expect(fetch('http://127.0.0.1:10080/')).rejects.toMatchObject({ cause: { message: 'bad port' } });
  } finally {
    server.close();
  }
});
