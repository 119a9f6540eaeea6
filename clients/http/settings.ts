import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import tls from 'node:tls';
import { parse, stringify } from 'yaml';
import * as z from 'zod';
import type { Connection } from './call.ts';
import { signedFetch } from './signed-fetch.ts';
import { UsageError } from './usage-error.ts';

const settings = z.strictObject({
  /** Base URL. */
  server: z.url({ protocol: /^https$/ }).optional(),
  token_file: z.string().optional(),
  token: z.string().optional(),
  /** PEM, of the authorities to trust besides the system's. */
  ca_file: z.string().optional(),
  /** Requests are signed as an AWS identity, instead of carrying a key. */
  auth: z.literal('aws').optional(),
});
export type Settings = z.output<typeof settings>;
const configuration = z.strictObject({ connections: z.record(z.string(), settings).default({}) });

/** What the command line says of the connection. */
export interface Given {
  readonly server?: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly connection?: string;
  readonly aws?: boolean;
}

/** Where connections are kept: `$XDG_CONFIG_HOME/certctl/config.yaml`, as a rule `~/.config/certctl/config.yaml`. */
export function configurationFile(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'certctl', 'config.yaml');
}

function read(file: string): z.output<typeof configuration> {
  if (!existsSync(file)) return { connections: {} };
  const result = configuration.safeParse(parse(readFileSync(file, 'utf8')));
  if (!result.success)
    throw new UsageError(`${file}: ${result.error.issues[0]?.path.join('.') ?? ''}: ${result.error.issues[0]?.message ?? ''}`);
  return result.data;
}

/** Writes a connection, 0600. */
export function saveConnection(env: NodeJS.ProcessEnv, name: string, connection: Settings): string {
  const file = configurationFile(env);
  const checked = settings.safeParse(connection);
  if (!checked.success) throw new UsageError(`${checked.error.issues[0]?.path.join('.') ?? ''}: ${checked.error.issues[0]?.message ?? ''}`);
  const { connections } = read(file);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, stringify({ connections: { ...connections, [name]: checked.data } }), { mode: 0o600 });
  return file;
}

/**
 * The command line wins over the environment, the environment over the saved connection, the saved connection over a platform that runs on this machine
 * (`npm start` in this folder, or in CERTCTL_HOME).
 *
 * @throws {UsageError} when nothing says where the server is, or a file cannot be read
 */
export function connect(given: Given, env: NodeJS.ProcessEnv): Connection {
  const name = given.connection ?? env['CERTCTL_CONNECTION'];
  const stored = read(configurationFile(env)).connections[name ?? 'default'];
  if (name !== undefined && stored === undefined)
    throw new UsageError(`there is no connection ${name} in ${configurationFile(env)}; make it with certctl configure`);
  const home = env['CERTCTL_HOME'] ?? '.certctl';
  const local: Settings =
    stored === undefined && existsSync(join(home, 'admin-token'))
      ? {
          server: `https://localhost:${env['CERTCTL_PORT'] ?? '8443'}`,
          token_file: join(home, 'admin-token'),
          ca_file: join(home, 'ca.pem'),
        }
      : {};
  const known = { ...local, ...stored };
  const server = given.server ?? env['CERTCTL_SERVER'] ?? known.server;
  if (server === undefined)
    throw new UsageError('say where the server is: --server https://…, CERTCTL_SERVER, certctl configure, or run npm start in this folder');
  if (!/^https:\/\/[^/]/.test(server)) throw new UsageError(`${server} is no https:// address`);
  const caFile = given.caFile ?? env['CERTCTL_CA_FILE'] ?? known.ca_file;
  if (caFile !== undefined) tls.setDefaultCACertificates([...tls.getCACertificates('default'), contents(caFile)]);
  const tokenFile = given.tokenFile ?? (env['CERTCTL_TOKEN'] === undefined ? known.token_file : undefined);
  if (given.aws === true && given.tokenFile !== undefined) throw new UsageError('--aws and --token-file exclude each other');
  // A key that was given now is meant, whatever was saved.
  const keyGiven = given.tokenFile !== undefined || env['CERTCTL_TOKEN'] !== undefined;
  if (given.aws ?? (!keyGiven && known.auth === 'aws'))
    return { server: `${server.replace(/\/$/, '')}/iam`, token: undefined, signs: true, fetch: signedFetch() };
  const token = tokenFile === undefined ? (env['CERTCTL_TOKEN'] ?? known.token) : contents(tokenFile).trim();
  return { server, token, signs: false, fetch };
}

function contents(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
