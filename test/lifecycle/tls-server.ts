import { readFileSync } from 'node:fs';
import https from 'node:https';

// A server as hosts have them: it reads certificate and key from files when it starts and when it is told to (SIGHUP). What it cannot use it does not take.
const [cert = '', key = '', port = '0'] = process.argv.slice(2);
const material = () => ({ cert: readFileSync(cert), key: readFileSync(key) });
const server = https.createServer(material(), (_, response) => response.end('ok'));
process.on('SIGHUP', () => {
  try {
    server.setSecureContext(material());
  } catch (error) {
    console.error(`not taken: ${(error as Error).message}`);
  }
});
server.listen(Number(port), '127.0.0.1', () => console.log(`listening ${(server.address() as { port: number }).port}`));
