/**
 * Whether an agent's name fits a token's pattern.
 *
 * @param pattern in which `*` stands for any characters; undefined admits every name
 */
export function nameFits(name: string, pattern: string | undefined): boolean {
  if (pattern === undefined) return true;
  // Greedy from both ends, so that no pattern takes long: the first part begins the name, the last ends it, the others follow in order.
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return name === first;
  const last = rest.pop() ?? '';
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= name.length - last.length;
}
