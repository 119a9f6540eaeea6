import type { Options } from './options.ts';
import type { Responders } from './session.ts';

/** Where the responders of our own tests are: on this machine, on ports that are free. */
export const here = { listen: '127.0.0.1', httpPort: 0, tlsPort: 0, dnsPort: 0, address: '127.0.0.1' };

/** What a platform of the tests is started with, so that it reaches the responders: names, and one address. */
export function doors({ http, tls, zone }: Responders): string[] {
  const ports = ['--door-http01-port', String(http?.port), '--door-tls-alpn01-port', String(tls?.port)];
  return [...ports, '--door-ip', address, '--dns-resolver', zone?.address ?? ''];
}

// Of a range that nobody has (RFC 5737).
const address = '192.0.2.1';

/** Options of the suite for a platform of the tests: everything is tried. */
export function localOptions(directory: string, ca: string, externalAccount: Options['externalAccount']): Options {
  return {
    ...here,
    directory,
    ca,
    externalAccount,
    suffix: 'localhost',
    ip: address,
    profile: undefined,
    patience: 60,
    only: [],
    mustOnly: false,
    junit: undefined,
  };
}

/** A profile under which every clause applies: names are proven, terms agreed to, and an invitation is wanted. */
export const demanding = {
  id: 'demanding',
  name: 'Demanding',
  eab_required: true,
  terms_of_service: 'https://example.com/terms',
  caa_identities: ['ca.example'],
  subdomain_auth_allowed: true,
  validity_seconds: 864_000,
  auto_renewal: { min_lifetime: 3600, max_duration: 28_800, allow_certificate_get: true },
  allowed_challenges: ['http-01', 'dns-01', 'tls-alpn-01', 'dns-account-01', 'dns-persist-01'],
};
