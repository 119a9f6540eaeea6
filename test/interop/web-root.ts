import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { basename, join } from 'node:path';

/** A web server whose challenges are files of folders that any client can write: each client has one of its own. */
export interface WebRoot {
  /** @param client a name for the folder */
  readonly challenges: (client: string) => string;
  stop(): Promise<void>;
}

export async function startWebRoot(folder: string, port: number): Promise<WebRoot> {
  const folders: string[] = [];
  const server = http.createServer((request, response) => {
    const token = basename(request.url ?? '/');
    const file = folders.map((one) => join(one, token)).find((path) => existsSync(path));
    if (file === undefined) response.writeHead(404).end();
    else response.end(readFileSync(file));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    challenges: (client) => {
      const made = join(folder, 'www', client, '.well-known', 'acme-challenge');
      mkdirSync(made, { recursive: true });
      folders.push(made);
      return made;
    },
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
