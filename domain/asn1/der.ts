/** Bytes that are not strict DER (X.690 §§8–11). */
export class DerError extends Error {
  override readonly name = 'DerError';
}

/** Universal tags that X.509 uses, with the constructed bit where DER sets it. */
export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** One element: its tag, its contents, and all of its bytes. */
export interface Element {
  readonly tag: number;
  readonly content: Buffer;
  readonly raw: Buffer;
}

const maxDepth = 16;

/** Reads the one element that `bytes` are. @param max elements side by side, at any depth @throws {DerError} */
export function readDer(bytes: Uint8Array, max?: number): Element {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const element = elementAt(buffer, 0);
  if (element.raw.length !== buffer.length) throw new DerError('trailing bytes');
  checkNesting(element, 0, max);
  return element;
}

/** The elements that an element's contents are. @throws {DerError} when there are more than `max` */
export function children(element: Element, max = 10_000): Element[] {
  const found: Element[] = [];
  for (let at = 0; at < element.content.length;) {
    const child = elementAt(element.content, at);
    found.push(child);
    if (found.length > max) throw new DerError('too many elements');
    at += child.raw.length;
  }
  return found;
}

function elementAt(buffer: Buffer, at: number): Element {
  const tag = buffer[at];
  const first = buffer[at + 1];
  if (tag === undefined || first === undefined) throw new DerError('truncated');
  // Tags above 30 take more than one octet; nothing that we read has one.
  if ((tag & 0x1f) === 0x1f) throw new DerError('a tag of more than one octet');
  let length = first;
  let start = at + 2;
  if (first >= 0x80) {
    const octets = first & 0x7f;
    if (octets === 0 || octets > 4) throw new DerError('an indefinite or oversized length');
    length = 0;
    for (let i = 0; i < octets; i++) length = length * 256 + (buffer[start + i] ?? Number.NaN);
    start += octets;
    if (!(length >= 0x80) || length < 256 ** (octets - 1)) throw new DerError('a length that is not minimal');
  }
  if (start + length > buffer.length) throw new DerError('truncated');
  return { tag, content: buffer.subarray(start, start + length), raw: buffer.subarray(at, start + length) };
}

/** Walks all constructed elements once, so that nothing read later can be malformed deep inside. */
function checkNesting(element: Element, depth: number, max: number | undefined): void {
  if (depth > maxDepth) throw new DerError('nested too deeply');
  if ((element.tag & 0x20) === 0) {
    checkPrimitive(element);
    return;
  }
  for (const child of children(element, max)) checkNesting(child, depth + 1, max);
}

function checkPrimitive({ tag, content }: Element): void {
  switch (tag) {
    case Tag.boolean:
      if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw new DerError('a BOOLEAN that is not DER');
      return;
    case Tag.integer:
    case Tag.enumerated: {
      const [first, second] = content;
      if (first === undefined) throw new DerError('an empty INTEGER');
      if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)))
        throw new DerError('an INTEGER that is not minimal');
      return;
    }
    case Tag.null:
      if (content.length !== 0) throw new DerError('a NULL with contents');
      return;
    case Tag.bitString: {
      const unused = content[0];
      if (unused === undefined || unused > 7 || (unused > 0 && content.length === 1)) throw new DerError('a malformed BIT STRING');
      if (unused > 0 && ((content.at(-1) ?? 0) & ((1 << unused) - 1)) !== 0) throw new DerError('a BIT STRING with unused bits set');
      return;
    }
    case Tag.oid:
      if (content.length === 0 || content.length > 64 || (content.at(-1) ?? 0x80) >= 0x80)
        throw new DerError('a malformed OBJECT IDENTIFIER');
      return;
    case Tag.sequence & 0x1f:
    case Tag.set & 0x1f:
      throw new DerError('a SEQUENCE or SET that is not constructed');
  }
}

/** Walks the children of an element in order; what is expected and missing is an error. */
export interface Cursor {
  /** The next element if it has this tag. */
  maybe(tag: number): Element | undefined;
  next(tag?: number): Element;
  rest(): Element[];
  /** @throws {DerError} when something is left */
  end(): void;
}

export function cursor(element: Element, tag?: number): Cursor {
  if (tag !== undefined && element.tag !== tag) throw new DerError('an unexpected tag');
  const all = children(element);
  let at = 0;
  return {
    maybe(wanted) {
      const current = all[at];
      if (current?.tag !== wanted) return undefined;
      at++;
      return current;
    },
    next(wanted) {
      const current = all[at++];
      if (current === undefined) throw new DerError('a missing element');
      if (wanted !== undefined && current.tag !== wanted) throw new DerError('an unexpected tag');
      return current;
    },
    rest() {
      const left = all.slice(at);
      at = all.length;
      return left;
    },
    end() {
      if (at < all.length) throw new DerError('an unexpected element');
    },
  };
}

/** The octets of a BIT STRING without unused bits. */
export function bitStringOctets(element: Element): Buffer {
  if (element.tag !== Tag.bitString || element.content[0] !== 0) throw new DerError('a BIT STRING of whole octets was expected');
  return element.content.subarray(1);
}

/** A non-negative INTEGER that fits a number. */
export function smallInteger(element: Element): number {
  if (element.content.length > 6 || (element.content[0] ?? 0) >= 0x80) throw new DerError('an INTEGER out of range');
  return element.content.readUIntBE(0, element.content.length);
}

/** Dotted text of an OBJECT IDENTIFIER. */
export function oidText(element: Element): string {
  if (element.tag !== Tag.oid) throw new DerError('an OBJECT IDENTIFIER was expected');
  const arcs: number[] = [];
  let value = 0;
  for (const octet of element.content) {
    if (value === 0 && octet === 0x80) throw new DerError('an OBJECT IDENTIFIER that is not minimal');
    value = value * 128 + (octet & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER / 128) throw new DerError('an OBJECT IDENTIFIER out of range');
    if (octet < 0x80) {
      arcs.push(value);
      value = 0;
    }
  }
  const first = arcs.shift() ?? 0;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...arcs].join('.');
}

/** UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 wants them: seconds, Zulu, no fraction. */
export function timeOf(element: Element): Date {
  const text = element.content.toString('latin1');
  const match =
    element.tag === Tag.utcTime
      ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
      : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null || (element.tag !== Tag.utcTime && element.tag !== Tag.generalizedTime)) throw new DerError('a malformed time');
  const [, y = '', mo = '', d = '', h = '', mi = '', s = ''] = match;
  const year = element.tag === Tag.utcTime ? Number(y) + (Number(y) < 50 ? 2000 : 1900) : Number(y);
  const date = new Date(Date.UTC(year, Number(mo) - 1, Number(d), Number(h), Number(mi), Number(s)));
  date.setUTCFullYear(year);
  if (date.getUTCMonth() !== Number(mo) - 1 || date.getUTCDate() !== Number(d) || Number(h) > 23 || Number(mi) > 59 || Number(s) > 59) {
    throw new DerError('a time that does not exist');
  }
  return date;
}

// ---- writing --------------------------------------------------------------------------------------------------------

/** One element from its tag and the parts of its contents. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  const octets = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : length < 0x1000000 ? 3 : 4;
  const out = Buffer.allocUnsafe(2 + octets + length);
  out[0] = tag;
  if (octets === 0) out[1] = length;
  else {
    out[1] = 0x80 | octets;
    out.writeUIntBE(length, 2, octets);
  }
  let at = 2 + octets;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => der(Tag.sequence, ...parts);
export const setOf = (...parts: readonly Uint8Array[]): Buffer => der(Tag.set, ...[...parts].sort((a, b) => Buffer.compare(a, b)));
export const octetString = (content: Uint8Array): Buffer => der(Tag.octetString, content);
export const bitString = (content: Uint8Array): Buffer => der(Tag.bitString, zero, content);
/** `[n]` constructed, context-specific. */
export const explicit = (n: number, ...parts: readonly Uint8Array[]): Buffer => der(0xa0 | n, ...parts);
/** `[n]` primitive, context-specific. */
export const implicit = (n: number, content: Uint8Array): Buffer => der(0x80 | n, content);
export const boolean = (value: boolean): Buffer => der(Tag.boolean, Buffer.of(value ? 0xff : 0));
export const nothing = Buffer.of(Tag.null, 0);

const zero = Buffer.of(0);

/** A non-negative INTEGER from hex digits. */
export function integerFromHex(hex: string): Buffer {
  if (!/^[0-9a-f]+$/.test(hex)) throw new DerError('not hex digits');
  const trimmed = hex.replace(/^0+(?=.)/, '');
  const bytes = Buffer.from(trimmed.length % 2 === 0 ? trimmed : `0${trimmed}`, 'hex');
  return (bytes[0] ?? 0) >= 0x80 ? der(Tag.integer, zero, bytes) : der(Tag.integer, bytes);
}

export function integer(value: number | bigint): Buffer {
  return integerFromHex(value.toString(16));
}

/** A named-bit BIT STRING: trailing zero bits are dropped (X.690 §11.2.2). @param bits positions that are set */
export function namedBits(bits: readonly number[]): Buffer {
  const last = Math.max(...bits);
  const content = Buffer.alloc(Math.floor(last / 8) + 1);
  for (const bit of bits) content[bit >> 3] = (content[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return der(Tag.bitString, Buffer.of(7 - (last & 7)), content);
}

const oids = new Map<string, Buffer>();

/** An OBJECT IDENTIFIER from its dotted text; encodings are kept, for only a few are ever written. */
export function oid(text: string): Buffer {
  let encoded = oids.get(text);
  if (encoded === undefined) {
    const [root = 0, second = 0, ...rest] = text.split('.').map(Number);
    encoded = der(Tag.oid, Buffer.from([root * 40 + second, ...rest].flatMap(base128)));
    oids.set(text, encoded);
  }
  return encoded;
}

function base128(value: number): number[] {
  const octets = [value % 128];
  for (let left = Math.floor(value / 128); left > 0; left = Math.floor(left / 128)) octets.unshift((left % 128) | 0x80);
  return octets;
}

/** UTCTime through 2049, GeneralizedTime after; whole seconds (RFC 5280 §4.1.2.5). */
export function time(date: Date): Buffer {
  return date.getUTCFullYear() < 2050 && date.getUTCFullYear() >= 1950
    ? der(Tag.utcTime, Buffer.from(digits(date).slice(2)))
    : generalizedTime(date);
}

/** GeneralizedTime, whole seconds. */
export function generalizedTime(date: Date): Buffer {
  return der(Tag.generalizedTime, Buffer.from(digits(date)));
}

function digits(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`;
}
