/**
 * Whether a list of allowed names admits an identifier. An entry is an exact name (`www.example.com`), a suffix
 * (`.example.com`: everything below, at any depth) or a wildcard permission (`*.example.com`: exactly that wildcard).
 *
 * @param allowed undefined admits everything
 */
export function nameIsAllowed(
  identifier: { readonly type: string; readonly value: string },
  allowed: readonly string[] | undefined,
): boolean {
  if (allowed === undefined) return true;
  if (identifier.type !== 'dns') return false;
  const name = identifier.value;
  return allowed.some((entry) => {
    if (entry.startsWith('.')) return !name.startsWith('*.') ? name.endsWith(entry) : `.${name.slice(2)}`.endsWith(entry);
    return entry === name;
  });
}
