import type { AddressInfo, Server } from 'node:net';

/** Listens, and says on which port: 0 asks for one that is free. */
export async function listening(server: Server, listen: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, listen, resolve);
  });
  return (server.address() as AddressInfo).port;
}
