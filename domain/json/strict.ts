import { CaError } from '../error.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

const maxDepth = 16;

/**
 * Parses a JSON object as I-JSON wants it: no duplicate member names, bounded depth (RFC 7493 §2.3; RFC 8555 §6.1).
 * `JSON.parse` alone silently keeps the last of two members, so that two readers of one signed text may see two requests.
 *
 * @param what names the text in the refusal
 * @throws {CaError} `malformed`
 */
export function parseObject(text: string, what: string): JsonObject {
  refuseDuplicates(text, what);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CaError('malformed', `${what} is not JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new CaError('malformed', `${what} is not a JSON object`);
  return value as JsonObject;
}

/** Walks the text once. It need not find every syntax error, for JSON.parse follows, but must never misread a valid text. */
function refuseDuplicates(text: string, what: string): void {
  const scopes: (Set<string> | undefined)[] = [];
  let expectName = false;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x7b: // {
        scopes.push(new Set());
        expectName = true;
        break;
      case 0x5b: // [
        scopes.push(undefined);
        expectName = false;
        break;
      case 0x7d: // }
      case 0x5d: // ]
        scopes.pop();
        expectName = false;
        break;
      case 0x2c: // ,
        expectName = scopes.at(-1) !== undefined;
        break;
      case 0x22: {
        const end = endOfString(text, at);
        if (end < 0) throw new CaError('malformed', `${what} is not JSON`);
        const names = scopes.at(-1);
        if (expectName && names !== undefined) {
          const name = memberName(text.slice(at, end + 1), what);
          if (names.has(name)) throw new CaError('malformed', `${what} has a member twice`);
          names.add(name);
          expectName = false;
        }
        at = end;
        break;
      }
    }
    if (scopes.length > maxDepth) throw new CaError('malformed', `${what} is nested too deeply`);
  }
}

function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(at - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return at;
  }
  return -1;
}

function memberName(quoted: string, what: string): string {
  if (!quoted.includes('\\')) return quoted;
  try {
    return JSON.stringify(JSON.parse(quoted));
  } catch {
    throw new CaError('malformed', `${what} is not JSON`);
  }
}
