import type { GeneralName } from '../x509/general-name.ts';
import { publicNameFault, type PublicNameFault } from '../x509/public-name.ts';
import type { Profile } from './profile.ts';

const refusals: Readonly<Record<PublicNameFault, string>> = {
  underscore: 'a public name has no underscore',
  internal_name: 'a public name ends with a top level domain of the root zone',
  wide_wildcard: 'a wildcard may not stand directly below a top level domain',
  reserved_ip: 'the address is private or reserved',
};

/** Why a profile that keeps to the public web's rules does not take a name; undefined: it does, or keeps to none. */
export function publicNameRefusal(name: GeneralName, { requirements }: Profile): string | undefined {
  if (requirements !== 'cabf_tls_br') return undefined;
  if (name.type !== 'dns' && name.type !== 'ip') return 'public names are host names and addresses';
  const fault = publicNameFault(name);
  return fault && refusals[fault];
}
