import http from 'node:http';
import net from 'node:net';

/** An HTTP proxy on loopback whose CONNECT always leads to one place, for clients that cannot be told to connect elsewhere. */
export interface ConnectProxy {
  readonly url: string;
  close(): void;
}

export async function startConnectProxy(place: { readonly host: string; readonly port: number }): Promise<ConnectProxy> {
  const open = new Set<net.Socket>();
  const server = http.createServer((_, response) => response.writeHead(405).end());
  server.on('connect', (_, client: net.Socket, head: Buffer) => {
    const upstream = net.connect(place.port, place.host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on('error', () => [client, upstream].forEach((other) => other.destroy()));
      socket.on('close', () => open.delete(socket));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    close() {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}
