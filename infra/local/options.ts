import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { UsageError } from './usage-error.ts';

export interface Options {
  readonly home: string;
  /** A home of its own that is removed at the end. */
  readonly ephemeral: boolean;
  /** 0: any free one. */
  readonly port: number;
  /** Undefined: what the home remembers, else 8080. 0: any free one. */
  readonly httpPort: number | undefined;
  readonly copies: number;
  readonly dnsResolvers: readonly string[];
  /** JSON of the deployment's settings; undefined: the defaults. */
  readonly config: string | undefined;
  readonly doorHttp01Port: number;
  readonly doorTlsAlpn01Port: number;
  /** Validated on this machine, whoever has it. */
  readonly doorIp: string | undefined;
}

export const help = `certctl on this machine: the deployed template, played by local parts.

  npm start -- [options]

  --home DIR                  where everything is kept         (./.certctl, CERTCTL_HOME)
  --port N                    HTTPS: ACME and the API          (8443, CERTCTL_PORT; 0: any free one)
  --http-port N               plain HTTP: CRL and OCSP only    (8080, CERTCTL_HTTP_PORT; 0: any free one)
  --copies N                  processes that run the functions (1, CERTCTL_COPIES)
  --config JSON               the deployment's settings        (as in cdk deploy -c certctl=JSON, CERTCTL_CONFIG)
  --dns-resolver HOST:PORT    asked by validation; repeatable  (the system's, CERTCTL_DNS_RESOLVER)
  --door-http01-port N        http-01 for *.localhost          (5002, CERTCTL_DOOR_HTTP01_PORT)
  --door-tls-alpn01-port N    tls-alpn-01 for *.localhost      (5001, CERTCTL_DOOR_TLS_ALPN01_PORT)
  --door-ip ADDRESS           proven there like *.localhost    (none, CERTCTL_DOOR_IP)
  --ephemeral                 a temporary home, removed at the end
  --help, --version

Variables named LIMIT_… are handed to the functions, e.g. LIMIT_NEW_ORDERS_PER_HOUR=100000.
`;

const flags = {
  home: { type: 'string' },
  port: { type: 'string' },
  'http-port': { type: 'string' },
  copies: { type: 'string' },
  config: { type: 'string' },
  'dns-resolver': { type: 'string', multiple: true },
  'door-http01-port': { type: 'string' },
  'door-tls-alpn01-port': { type: 'string' },
  'door-ip': { type: 'string' },
  ephemeral: { type: 'boolean' },
  help: { type: 'boolean' },
  version: { type: 'boolean' },
} as const;

/**
 * Reads the command line over the environment over the defaults.
 *
 * @throws {UsageError}
 */
export function readOptions(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Options | 'help' | 'version' {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0] ?? ''}; --help shows the options`);
  }
  if (values.help === true) return 'help';
  if (values.version === true) return 'version';
  const number = (
    flag: 'port' | 'http-port' | 'copies' | 'door-http01-port' | 'door-tls-alpn01-port',
    fallback: number,
    min: number,
    max: number,
  ): number => {
    const text = values[flag] ?? env[variable(flag)];
    if (text === undefined || text === '') return fallback;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max)
      throw new UsageError(`--${flag} must be a number from ${min} to ${max}, not "${text}"`);
    return value;
  };
  const resolvers = (values['dns-resolver'] ?? [env['CERTCTL_DNS_RESOLVER'] ?? ''])
    .flatMap((text) => text.split(','))
    .filter((text) => text !== '');
  for (const resolver of resolvers) {
    if (!/^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/.test(resolver)) {
      throw new UsageError(`--dns-resolver must be an address with a port, such as 127.0.0.1:5353, not "${resolver}"`);
    }
  }
  return {
    home: resolve(values.home ?? env['CERTCTL_HOME'] ?? '.certctl'),
    ephemeral: values.ephemeral ?? env['CERTCTL_EPHEMERAL'] === '1',
    port: number('port', 8443, 0, 65_535),
    httpPort: (values['http-port'] ?? env['CERTCTL_HTTP_PORT'] ?? '') === '' ? undefined : number('http-port', 8080, 0, 65_535),
    copies: number('copies', 1, 1, 64),
    dnsResolvers: resolvers,
    config: jsonOf(values.config ?? env['CERTCTL_CONFIG']),
    doorHttp01Port: number('door-http01-port', 5002, 1, 65_535),
    doorTlsAlpn01Port: number('door-tls-alpn01-port', 5001, 1, 65_535),
    doorIp: addressOf(values['door-ip'] ?? env['CERTCTL_DOOR_IP']),
  };
}

function addressOf(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (isIP(text) === 0) throw new UsageError(`--door-ip must be an address, such as 192.0.2.1, not "${text}"`);
  return text;
}

function jsonOf(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined;
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    throw new UsageError(`--config must be JSON, such as '{"workerMaxConcurrency": 25}', not ${text}`);
  }
}

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options: flags, allowPositionals: false, strict: true }).values;
}

function variable(flag: string): string {
  return `CERTCTL_${flag.toUpperCase().replaceAll('-', '_')}`;
}
