import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Target } from '../platform.ts';

export interface SmokeOptions {
  readonly target: Target;
  readonly caFile: string | undefined;
  readonly token: string;
  /** Where the results go as JSON, besides the lines for people. */
  readonly json: string | undefined;
}

export const help = `The main job of a deployed platform, seen from outside.

  npm run smoke -- --endpoint https://… [options]

  --endpoint URL            where ACME and the control plane answer, no trailing slash
  --token-file FILE         the admin token (or the variable CERTCTL_TOKEN)
  --ca FILE                 who vouches for the endpoint's https; without it the authorities that Node knows
  --connect-to HOST:PORT    connect https there, whatever the name: before DNS knows it
  --connect-http-to H:P     the same for plain http, which CRL and OCSP use
  --json FILE               write the results there, too
  --help

It needs lego and openssl, makes one account and one certificate for a name under .invalid, revokes it and deactivates the account.
`;

const flags = {
  endpoint: { type: 'string' },
  'token-file': { type: 'string' },
  ca: { type: 'string' },
  'connect-to': { type: 'string' },
  'connect-http-to': { type: 'string' },
  json: { type: 'string' },
  help: { type: 'boolean' },
} as const;

/** @throws {Error} one line about what is wrong with the command line */
export function readSmokeOptions(args: readonly string[], env: Readonly<Record<string, string | undefined>>): SmokeOptions | 'help' {
  const { values } = parseArgs({ args: [...args], options: flags, allowPositionals: false, strict: true });
  if (values.help === true) return 'help';
  const url = values.endpoint ?? '';
  if (!/^https:\/\/[^/]+$/.test(url)) throw new Error('--endpoint must be an https origin without a trailing slash');
  const file = values['token-file'];
  const token = (file === undefined ? env['CERTCTL_TOKEN'] : readFileSync(file, 'utf8'))?.trim() ?? '';
  if (token === '') throw new Error('the admin token is missing: --token-file or CERTCTL_TOKEN');
  const https = place(values['connect-to'], '--connect-to');
  const http = place(values['connect-http-to'], '--connect-http-to');
  return {
    target: {
      url,
      ca: values.ca === undefined ? undefined : readFileSync(values.ca, 'utf8'),
      connectTo: { ...(https && { 'https:': https }), ...(http && { 'http:': http }) },
    },
    caFile: values.ca,
    token,
    json: values.json,
  };
}

function place(text: string | undefined, flag: string): { host: string; port: number } | undefined {
  if (text === undefined) return undefined;
  const [, host, port] = /^([^:]+):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined) throw new Error(`${flag} must be HOST:PORT, not "${text}"`);
  return { host, port: Number(port) };
}
