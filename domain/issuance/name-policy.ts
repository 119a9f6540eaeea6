import { rangeHolds } from '../x509/ip-address.ts';

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
