import type { Options } from './options.ts';

/** Where the responders of our own tests are: on this machine, on ports that are free. */
export const here = { listen: '127.0.0.1', httpPort: 0, tlsPort: 0, dnsPort: 0, address: '127.0.0.1' };

/** Options of the suite for a platform of the tests: everything is tried. */
export function localOptions(directory: string, ca: string, externalAccount: Options['externalAccount']): Options {
  return {
    ...here,
    directory,
    ca,
    externalAccount,
    suffix: 'localhost',
    ip: undefined,
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
  allowed_challenges: ['http-01', 'dns-01', 'tls-alpn-01', 'dns-account-01', 'dns-persist-01'],
};
