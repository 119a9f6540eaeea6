import { BlockList, isIP } from 'node:net';

/**
 * Whether a list of allowed names admits an identifier. An entry is an exact name (`www.example.com`), a suffix
 * (`.example.com`: everything below, at any depth) a wildcard permission (`*.example.com`: exactly that wildcard)
 * or a range of addresses (`192.0.2.0/24`).
 *
 * @param allowed undefined admits everything
 */
export function nameIsAllowed(
  identifier: { readonly type: string; readonly value: string },
  allowed: readonly string[] | undefined,
): boolean {
  if (allowed === undefined) return true;
  if (identifier.type === 'ip') return allowed.some((entry) => rangeHolds(entry, identifier.value));
  if (identifier.type !== 'dns') return false;
  const name = identifier.value;
  return allowed.some((entry) => {
    if (entry.startsWith('.')) return !name.startsWith('*.') ? name.endsWith(entry) : `.${name.slice(2)}`.endsWith(entry);
    return entry === name;
  });
}

function rangeHolds(entry: string, address: string): boolean {
  const [network = '', bits = ''] = entry.split('/');
  const family = isIP(network);
  if (family === 0 || bits === '' || family !== isIP(address)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  return list.check(address, family === 4 ? 'ipv4' : 'ipv6');
}
