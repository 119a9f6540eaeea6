import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { ExternalAccount } from './subject.ts';

export interface Options {
  readonly directory: string;
  /** PEM */
  readonly ca: string | undefined;
  readonly externalAccount: ExternalAccount | undefined;
  readonly listen: string;
  readonly httpPort: number | undefined;
  readonly tlsPort: number | undefined;
  readonly dnsPort: number | undefined;
  /** IPv4 that the name server gives for every name. */
  readonly address: string;
  readonly suffix: string;
  readonly ip: string | undefined;
  readonly profile: string | undefined;
  /** Seconds. */
  readonly patience: number;
  readonly only: readonly string[];
  readonly mustOnly: boolean;
  readonly junit: string | undefined;
}

export const help = `Tries an ACME server against RFC 8555, 8737, 8738, 9444, 9773 and two drafts, clause by clause.

  acme-conformance [options] DIRECTORY-URL

  --ca FILE           who vouches for the server's https; without it the authorities that Node knows
  --eab-kid KID       external account: the identifier of the key, good for a dozen accounts
  --eab-hmac KEY      … and the key, base64url
  --http-port N       answer http-01 on this port: what the server reaches as port 80 of the names
  --tls-port N        answer tls-alpn-01 on this port: what the server reaches as port 443 of the names
  --dns-port N        serve the names' zone on this UDP port: the server's resolver must ask there
  --listen ADDRESS    where those three listen (127.0.0.1)
  --address IPV4      what the served zone says of every name (127.0.0.1)
  --suffix NAME       what ordered names end in (conformance.test)
  --ip ADDRESS        an address that the server may validate, for RFC 8738 §5
  --profile NAME      order by this profile (draft-ietf-acme-profiles)
  --patience SECONDS  how long a status may take (60)
  --only TEXT         only cases whose name has this, e.g. 'RFC 8555 §6.5'; may be given again
  --must              only what a clause demands, nothing that it recommends
  --junit FILE        write the results there, too
  --help

Without any port, only servers that ask for no proof are tried whole; what needs an answer is not applicable.
Exit: 0 nothing failed, 1 something failed, 2 the server could not be tried.
`;

const flags = {
  ca: { type: 'string' },
  'eab-kid': { type: 'string' },
  'eab-hmac': { type: 'string' },
  'http-port': { type: 'string' },
  'tls-port': { type: 'string' },
  'dns-port': { type: 'string' },
  listen: { type: 'string', default: '127.0.0.1' },
  address: { type: 'string', default: '127.0.0.1' },
  suffix: { type: 'string', default: 'conformance.test' },
  ip: { type: 'string' },
  profile: { type: 'string' },
  patience: { type: 'string', default: '60' },
  only: { type: 'string', multiple: true },
  must: { type: 'boolean', default: false },
  junit: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

/** @throws {Error} one line about what is wrong with the command line */
export function readOptions(args: readonly string[]): Options | 'help' {
  const { values, positionals } = parseArgs({ args: [...args], options: flags, allowPositionals: true, strict: true });
  if (values.help) return 'help';
  const [directory = '', ...more] = positionals;
  if (more.length > 0 || !/^https?:$/.test(URL.canParse(directory) ? new URL(directory).protocol : '')) {
    throw new Error('name one directory by its URL');
  }
  const [kid, hmac] = [values['eab-kid'], values['eab-hmac']];
  if ((kid === undefined) !== (hmac === undefined)) throw new Error('--eab-kid and --eab-hmac go together');
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(values.suffix)) throw new Error('--suffix must be a name in lower case');
  return {
    directory,
    ca: values.ca === undefined ? undefined : readFileSync(values.ca, 'utf8'),
    externalAccount: kid === undefined || hmac === undefined ? undefined : { kid, hmac },
    listen: values.listen,
    httpPort: port('http-port', values['http-port']),
    tlsPort: port('tls-port', values['tls-port']),
    dnsPort: port('dns-port', values['dns-port']),
    address: values.address,
    suffix: values.suffix,
    ip: values.ip,
    profile: values.profile,
    patience: whole('patience', values.patience, 1, 3600),
    only: values.only ?? [],
    mustOnly: values.must,
    junit: values.junit,
  };
}

function port(name: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : whole(name, text, 0, 65_535);
}

function whole(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) throw new Error(`--${name} must be a number from ${least} to ${most}`);
  return value;
}
