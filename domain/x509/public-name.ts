import { domainToUnicode } from 'node:url';
import topLevelDomains from 'tlds' with { type: 'json' };
import { judgeAddress } from '../probe/address-policy.ts';
import type { GeneralName } from './general-name.ts';

/** Why a name can be no name of the public Internet. */
export type PublicNameFault = 'underscore' | 'internal_name' | 'wide_wildcard' | 'reserved_ip';

const rootZone: ReadonlySet<string> = /* @__PURE__ */ new Set(topLevelDomains);

/** What the public web's rules have against a name; undefined: nothing (CA/Browser Forum BR §3.2.2.6, §7.1.4.2). */
export function publicNameFault(name: GeneralName): PublicNameFault | undefined {
  if (name.type === 'ip') return judgeAddress(name.value, []) === 'forbidden' ? 'reserved_ip' : undefined;
  if (name.type !== 'dns') return undefined;
  if (name.value.includes('_')) return 'underscore';
  const labels = name.value.toLowerCase().split('.');
  const top = labels.at(-1) ?? '';
  if (labels.length < 2 || !rootZone.has(top.startsWith('xn--') ? domainToUnicode(top) : top)) return 'internal_name';
  return labels[0] === '*' && labels.length === 2 ? 'wide_wildcard' : undefined;
}
