import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { sharedPort } from './copy/shared-port.ts';
import { freePort, holdPort, refusalOf } from './free-port.ts';

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

test.skipIf(sharedPort === undefined)(
  'a port that is held is nobody’s but theirs who share it, and they answer once it is given up',
  async () => {
    const port = await freePort();
    const release = await holdPort(port);
    const server = http.createServer((_, response) => response.end('here'));
    try {
      expect(await refusalOf(port)).toMatchObject({ code: 'EADDRINUSE' });
      await new Promise((resolve) => server.listen({ port, host: '127.0.0.1', ...sharedPort }, () => resolve(undefined)));
      await release();
      await release();
      for (let n = 0; n < 8; n++)
        expect(await (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).text()).toBe('here');
    } finally {
      await release();
      server.close();
    }
  },
);
