import { canonicalDetails, hashLength, type SealedRows } from './chain.ts';

/** Members of a row that a store joins to a text, in the order of RFC 8785; `seq`, the last, it tells apart from them. */
export const joinedMembers = ['action', 'actor', 'actorType', 'at', 'category', 'details', 'id', 'resourceId', 'resourceType'] as const;
/** Behind each member but the last of a row. */
export const memberEnd = 0x1f;
/** Between rows. */
export const rowEnd = 0x1e;

/** Sealed rows whose members are joined. */
export interface JoinedRows {
  /** The SHA-256 of each, one behind the other, by `seq`. */
  readonly hashes: Buffer;
  /** `seq` and the event's id, by `seq`. */
  readonly places: readonly (readonly [seq: number, id: number])[];
  /**
   * The events in any order; `at` as `2026-11-25 00:00:00.12+00`, `details` as jsonb prints itself: a space behind each comma and each colon, short names first.
   */
  readonly events: string;
}

const [quote, backslash, space, colon, minus, zero, nine] = [0x22, 0x5c, 0x20, 0x3a, 0x2d, 0x30, 0x39];
const [braceOpen, braceClose, comma, plus, point] = [0x7b, 0x7d, 0x2c, 0x2b, 0x2e];
const [atMember, detailsMember, idMember] = [joinedMembers.indexOf('at'), joinedMembers.indexOf('details'), joinedMembers.indexOf('id')];
const isText = (member: string): boolean => member !== 'details';
const labels = joinedMembers.map((member, index) => {
  const before = index === 0 ? '{' : isText(joinedMembers[index - 1] ?? '') ? '",' : ',';
  return Buffer.from(`${before}"${member}":${isText(member) ? '"' : ''}`);
});
const lastLabel = Buffer.from('","seq":');
const time = Buffer.from('0000-00-00 00:00:00');
const fractionDigits = 6;
// What a row gets besides what it says: the hash before it, names, quotes, `seq`.
const roomForRow = 256;
/** A number of more digits may not be one of JavaScript's. */
const maxDigits = 15;

/**
 * Rows as they are hashed, without a string or an object for each: a verification does this for every row there is. There must be an event for each place:
 * then as many rows as places mean that no text has a separator, as they would be more.
 *
 * @returns undefined when it is not certain which row says what: an event is missing, or a text has a control character, as the separators are
 */
export function framed({ hashes, places, events }: JoinedRows): SealedRows | undefined {
  const count = places.length;
  if (hashes.length !== count * hashLength) return undefined;
  // A byte is written as two at most.
  const source = Buffer.from(`${events}${String.fromCharCode(rowEnd)}`);
  const bytes = Buffer.allocUnsafe(source.length * 2 + count * roomForRow);
  const starts: number[] = Array.from({ length: count }, () => -1);
  const ends: number[] = starts.slice();
  let from = 0;
  let to = 0;

  const put = (label: Uint8Array): void => {
    let at = to;
    for (const byte of label) bytes[at++] = byte;
    to = at;
  };
  const text = (): void => {
    let [read, at] = [from, to];
    for (let byte = source[read] ?? 0; byte >= space; byte = source[++read] ?? 0) {
      if (byte === quote || byte === backslash) bytes[at++] = backslash;
      bytes[at++] = byte;
    }
    [from, to] = [read, at];
  };
  const isDigit = (byte: number): boolean => byte >= zero && byte <= nine;
  const number = (): number => {
    let value = 0;
    for (let byte = source[from] ?? 0; isDigit(byte); byte = source[++from] ?? 0) {
      value = value * 10 + byte - zero;
      bytes[to++] = byte;
    }
    return value;
  };
  /** RFC 3339 with microseconds. */
  const timestamp = (): boolean => {
    for (let i = 0; i < time.length; i++) {
      const [pattern, byte] = [time[i], source[from + i] ?? 0];
      if (pattern === zero ? !isDigit(byte) : byte !== pattern) return false;
      bytes[to + i] = byte === space ? 0x54 : byte;
    }
    from += time.length;
    to += time.length;
    bytes[to++] = point;
    const end = to + fractionDigits;
    if (source[from] === point) {
      from += 1;
      number();
    }
    if (to > end) return false;
    while (to < end) bytes[to++] = zero;
    bytes[to++] = 0x5a;
    return source[from++] === plus && source[from++] === zero && source[from++] === zero;
  };
  /** A string as it stands: jsonb escapes what JSON.stringify does. */
  const string = (): boolean => {
    bytes[to++] = source[from++] ?? 0;
    for (let byte = source[from] ?? 0; byte !== quote; byte = source[++from] ?? 0) {
      // Whatever may have more than one spelling is not for here.
      if (byte === backslash || byte < space) return false;
      bytes[to++] = byte;
    }
    bytes[to++] = source[from++] ?? 0;
    return true;
  };
  /** Whether the name from `a` comes before the one from `b`; of letters that are no ASCII, UTF-16 has another order than UTF-8. */
  const inOrder = (a: number, b: number): boolean => {
    for (;;) {
      const [one = 0, other = 0] = [bytes[a++], bytes[b++]];
      if (one >= 0x80 || other >= 0x80) return false;
      if (other === quote) return false;
      if (one === quote || one < other) return true;
      if (one > other) return false;
    }
  };
  /** Members that are texts and integers, and in order. */
  const flat = (): boolean => {
    if (source[from] !== braceOpen) return false;
    bytes[to++] = source[from++] ?? 0;
    let before = -1;
    while (source[from] === quote) {
      const name = to + 1;
      if (!string() || (before >= 0 && !inOrder(before, name))) return false;
      before = name;
      if (source[from++] !== colon || source[from++] !== space) return false;
      bytes[to++] = colon;
      if (source[from] === quote) {
        if (!string()) return false;
      } else {
        if (source[from] === minus) bytes[to++] = source[from++] ?? 0;
        const digits = to;
        number();
        if (to === digits || to > digits + maxDigits) return false;
      }
      if (source[from] !== comma) break;
      bytes[to++] = comma;
      from += 1;
      if (source[from++] !== space) return false;
    }
    bytes[to++] = braceClose;
    return source[from++] === braceClose && source[from] === memberEnd;
  };
  const details = (): boolean => {
    const [began, at] = [from, to];
    if (flat()) return true;
    const end = source.indexOf(memberEnd, began);
    if (end < 0) return false;
    const found = parsed(source.toString('utf8', began, end));
    if (found === undefined) return false;
    const canonical = canonicalDetails(found);
    if (Buffer.byteLength(canonical) > (end - began) * 2) return false;
    from = end;
    to = at + bytes.write(canonical, at);
    return true;
  };

  let indexOf: ReadonlyMap<number, number> | undefined;
  for (let row = 0; row < count; row++) {
    const start = to;
    let id = 0;
    to += hashLength;
    for (let member = 0; member < labels.length; member++) {
      put(labels[member] ?? lastLabel);
      if (member === atMember) {
        if (!timestamp()) return undefined;
      } else if (member === detailsMember) {
        if (!details()) return undefined;
      } else if (member === idMember) id = number();
      else text();
      if (source[from++] !== (member === labels.length - 1 ? rowEnd : memberEnd)) return undefined;
    }
    // Events are mostly sealed in the order of their ids.
    const index = places[row]?.[1] === id ? row : (indexOf ??= new Map(places.map((place, at) => [place[1], at]))).get(id);
    if (index === undefined || starts[index] !== -1) return undefined;
    put(lastLabel);
    to += bytes.write(`${String(places[index]?.[0])}}`, to, 'latin1');
    starts[index] = start;
    ends[index] = to;
  }
  return from === source.length ? { hashes, bytes, seqs: places.map(([seq]) => seq), starts, ends } : undefined;
}

/** Undefined when it is no JSON: a separator in another member put a part of that where the details belong. */
function parsed(text: string): object | undefined {
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}
