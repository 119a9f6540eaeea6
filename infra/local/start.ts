import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { compileCache } from './compile-cache.ts';
import type { Host } from './host.ts';
import { help, readOptions } from './options.ts';
import { UsageError } from './usage-error.ts';

/** `npm start`. */
const began = performance.now();
// For what is loaded from here on.
enableCompileCache(compileCache);

try {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options === 'help') process.stdout.write(help);
  else if (options === 'version') process.stdout.write(`${packageVersion()}\n`);
  else await run(options);
} catch (error) {
  process.stderr.write(`certctl: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(error instanceof UsageError ? 2 : 1);
}

async function run(options: Exclude<ReturnType<typeof readOptions>, string>): Promise<void> {
  const { startHost } = await import('./host.ts');
  let stopping = false;
  const starting = startHost(options, (line) =>
    process.stdout.write(`  ${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s  ${line}\n`),
  );
  const end = (): void => {
    if (stopping) return;
    stopping = true;
    starting
      .then((host) => host.stop())
      .then(
        () => process.exit(0),
        () => process.exit(1),
      );
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  const host = await starting;
  process.stdout.write(`\nready ${host.url}\n${whatNext(host, options.doorHttp01Port)}`);
}

function whatNext(host: Host, http01Port: number): string {
  const ca = host.home.caFile;
  const folder = join(host.home.path, 'certbot');
  return `
  ACME directory   ${host.url}/acme/profile/default/directory
  trust anchor     ${ca}
  admin token      ${host.home.tokenFile}
  CRL and OCSP     ${host.pkiUrl}/.well-known/pki/${accessKeys(host)}

Get a certificate, in a second terminal:

  REQUESTS_CA_BUNDLE=${ca} certbot certonly --standalone --http-01-port ${http01Port} -d demo.localhost \\
    --server ${host.url}/acme/profile/default/directory \\
    --config-dir ${folder} --work-dir ${folder}/work --logs-dir ${folder}/log \\
    --agree-tos --register-unsafely-without-email --non-interactive

Ctrl-C stops everything.
`;
}

/** Where AWS identities may call. */
function accessKeys({ home, iamCallers }: Host): string {
  return iamCallers ? `\n  AWS access keys  ${home.awsCredentialsFile}` : '';
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8')) as { version: string }).version;
}
