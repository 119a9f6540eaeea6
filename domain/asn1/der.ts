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
const maxElements = 10_000;

/** Reads the one element that `bytes` are. @param max elements side by side, at any depth @throws {DerError} */
export function readDer(bytes: Uint8Array, max = maxElements): Element {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const element = new Place(buffer, 0);
  if (element.end !== buffer.length) throw new DerError('trailing bytes');
  checkNesting(buffer, 0, buffer.length, 0, max);
  return element;
}

/** The elements that an element's contents are. @throws {DerError} when there are more than `max` */
export function children(element: Element, max = maxElements): Element[] {
  const found: Element[] = [];
  const { buffer, start, end } = placeOf(element);
  for (let at = start; at < end;) {
    const child = new Place(buffer, at);
    if (child.end > end) throw new DerError('truncated');
    found.push(child);
    if (found.length > max) throw new DerError('too many elements');
    at = child.end;
  }
  return found;
}

/** Where an element lies; its bytes are cut out when somebody asks for them, which for most elements nobody does. */
class Place implements Element {
  readonly tag: number;
  readonly buffer: Buffer;
  readonly at: number;
  readonly start: number;
  readonly end: number;
  constructor(buffer: Buffer, at: number) {
    this.buffer = buffer;
    this.at = at;
    this.start = contentStart(buffer, at);
    this.end = contentEnd(buffer, at, this.start);
    this.tag = buffer[at] ?? 0;
  }
  get content(): Buffer {
    return this.buffer.subarray(this.start, this.end);
  }
  get raw(): Buffer {
    return this.buffer.subarray(this.at, this.end);
  }
}

function placeOf(element: Element): { readonly buffer: Buffer; readonly start: number; readonly end: number } {
  return element instanceof Place ? element : { buffer: element.content, start: 0, end: element.content.length };
}

/** Where the contents of the element at an offset begin. @throws {DerError} @internal for walks over a million elements */
export function contentStart(buffer: Buffer, at: number): number {
  const tag = buffer[at];
  const first = buffer[at + 1];
  if (tag === undefined || first === undefined) throw new DerError('truncated');
  // Tags above 30 take more than one octet; nothing that we read has one.
  if ((tag & 0x1f) === 0x1f) throw new DerError('a tag of more than one octet');
  if (first < 0x80) return at + 2;
  const octets = first & 0x7f;
  if (octets === 0 || octets > 4) throw new DerError('an indefinite or oversized length');
  return at + 2 + octets;
}

/** Where they end. @param start where they begin @throws {DerError} @internal as above */
export function contentEnd(buffer: Buffer, at: number, start: number): number {
  const octets = start - at - 2;
  let length = buffer[at + 1] ?? 0;
  if (octets > 0) {
    length = 0;
    for (let i = at + 2; i < start; i++) length = length * 256 + (buffer[i] ?? Number.NaN);
    if (!(length >= 0x80) || length < 256 ** (octets - 1)) throw new DerError('a length that is not minimal');
  }
  if (start + length > buffer.length) throw new DerError('truncated');
  return start + length;
}

/**
 * Walks all constructed elements once, so that nothing read later can be malformed deep inside; by offsets, for a view of each would cost more than
 * the rest of reading.
 */
function checkNesting(buffer: Buffer, at: number, end: number, depth: number, max: number): void {
  if (at < end && depth > maxDepth) throw new DerError('nested too deeply');
  let count = 0;
  for (let next = at; next < end;) {
    if (++count > max) throw new DerError('too many elements');
    const tag = buffer[next] ?? 0;
    const start = contentStart(buffer, next);
    const stop = contentEnd(buffer, next, start);
    if (stop > end) throw new DerError('truncated');
    if ((tag & 0x20) === 0) checkPrimitive(buffer, tag, start, stop);
    else checkNesting(buffer, start, stop, depth + 1, max);
    next = stop;
  }
}

function checkPrimitive(buffer: Buffer, tag: number, start: number, end: number): void {
  const length = end - start;
  const first = buffer[start] ?? 0;
  const last = buffer[end - 1] ?? 0;
  switch (tag) {
    case Tag.boolean:
      if (length !== 1 || (first !== 0 && first !== 0xff)) throw new DerError('a BOOLEAN that is not DER');
      return;
    case Tag.integer:
    case Tag.enumerated: {
      if (length === 0) throw new DerError('an empty INTEGER');
      const second = buffer[start + 1] ?? 0;
      if (length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)))
        throw new DerError('an INTEGER that is not minimal');
      return;
    }
    case Tag.null:
      if (length !== 0) throw new DerError('a NULL with contents');
      return;
    case Tag.bitString:
      if (length === 0 || first > 7 || (first > 0 && length === 1)) throw new DerError('a malformed BIT STRING');
      if (first > 0 && (last & ((1 << first) - 1)) !== 0) throw new DerError('a BIT STRING with unused bits set');
      return;
    case Tag.oid:
      if (length === 0 || length > 64 || last >= 0x80) throw new DerError('a malformed OBJECT IDENTIFIER');
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
  return new Walk(element);
}

class Walk implements Cursor {
  readonly #buffer: Buffer;
  readonly #end: number;
  #at: number;
  constructor(element: Element) {
    const { buffer, start, end } = placeOf(element);
    this.#buffer = buffer;
    this.#at = start;
    this.#end = end;
  }
  maybe(wanted: number): Element | undefined {
    return this.#at < this.#end && this.#buffer[this.#at] === wanted ? this.next() : undefined;
  }
  next(wanted?: number): Element {
    if (this.#at >= this.#end) throw new DerError('a missing element');
    const current = new Place(this.#buffer, this.#at);
    if (current.end > this.#end) throw new DerError('truncated');
    if (wanted !== undefined && current.tag !== wanted) throw new DerError('an unexpected tag');
    this.#at = current.end;
    return current;
  }
  rest(): Element[] {
    const left: Element[] = [];
    while (this.#at < this.#end) left.push(this.next());
    return left;
  }
  end(): void {
    if (this.#at < this.#end) throw new DerError('an unexpected element');
  }
}

/** The octets of a BIT STRING without unused bits. */
export function bitStringOctets(element: Element): Buffer {
  if (element.tag !== Tag.bitString || element.content[0] !== 0) throw new DerError('a BIT STRING of whole octets was expected');
  return element.content.subarray(1);
}

/** The positions that are set in a BIT STRING of named bits; the first 16 are looked at. @throws {DerError} */
export function namedBitsOf(element: Element): ReadonlySet<number> {
  if (element.tag !== Tag.bitString) throw new DerError('a BIT STRING was expected');
  const { content } = element;
  const bits = new Set<number>();
  for (let at = 1; at < content.length && at <= 2; at++)
    for (let bit = 0; bit < 8; bit++) if (((content[at] ?? 0) & (0x80 >> bit)) !== 0) bits.add((at - 1) * 8 + bit);
  return bits;
}

/** A non-negative INTEGER that fits a number. */
export function smallInteger(element: Element): number {
  if (element.content.length > 6 || (element.content[0] ?? 0) >= 0x80) throw new DerError('an INTEGER out of range');
  return element.content.readUIntBE(0, element.content.length);
}

/** Dotted text of an OBJECT IDENTIFIER. */
export function oidText(element: Element): string {
  if (element.tag !== Tag.oid) throw new DerError('an OBJECT IDENTIFIER was expected');
  const key = element.content.toString('latin1');
  let text = dottedTexts.get(key);
  if (text === undefined) {
    text = dotted(element);
    if (dottedTexts.size < maxDottedTexts) dottedTexts.set(key, text);
  }
  return text;
}

function dotted(element: Element): string {
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

/** UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 wants them: seconds, Zulu, no fraction. @throws {DerError} */
export function timeOf({ raw }: Element): Date {
  return new Date(timeAt(raw, 0, raw.length));
}

/** The same where an element lies in some bytes. @param end where it ends @returns milliseconds since the epoch @throws {DerError} */
export function timeAt(bytes: Buffer, at: number, end: number): number {
  const tag = bytes[at];
  if (tag !== Tag.utcTime && tag !== Tag.generalizedTime) throw new DerError('a malformed time');
  const century = tag === Tag.utcTime ? 0 : 2;
  if (end - at !== 15 + century || bytes[end - 1] !== 0x5a) throw new DerError('a malformed time');
  const begin = at + 2 + century;
  const short = twoDigits(bytes, begin);
  const year = century > 0 ? twoDigits(bytes, at + 2) * 100 + short : short + (short < 50 ? 2000 : 1900);
  const month = twoDigits(bytes, begin + 2);
  const day = twoDigits(bytes, begin + 4);
  const hour = twoDigits(bytes, begin + 6);
  const minute = twoDigits(bytes, begin + 8);
  const second = twoDigits(bytes, begin + 10);
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (day < 1 || day > (monthDays[month] ?? 0) + (leap ? 1 : 0) || hour > 23 || minute > 59 || second > 59)
    throw new DerError('a time that does not exist');
  // Date.UTC takes the years 0 to 99 for those of the last century.
  if (year < 100) return new Date(Date.UTC(year + 400, month - 1, day, hour, minute, second)).setUTCFullYear(year);
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

const monthDays = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function twoDigits(content: Buffer, at: number): number {
  const tens = (content[at] ?? 0) - 0x30;
  const ones = (content[at + 1] ?? 0) - 0x30;
  if (!(tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9)) throw new DerError('a malformed time');
  return tens * 10 + ones;
}

// ---- writing --------------------------------------------------------------------------------------------------------

/** One element from its tag and the parts of its contents. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  const octets = lengthOctets(length);
  const out = Buffer.allocUnsafe(2 + octets + length);
  putHead(out, tag, length, octets);
  let at = 2 + octets;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Tag and length of an element whose contents are written by themselves. @param length of the contents, octets */
export function writeHead(tag: number, length: number): Buffer {
  const octets = lengthOctets(length);
  const out = Buffer.allocUnsafe(2 + octets);
  putHead(out, tag, length, octets);
  return out;
}

/** How many octets a length takes behind its first one. */
function lengthOctets(length: number): number {
  return length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : length < 0x1000000 ? 3 : 4;
}

function putHead(out: Buffer, tag: number, length: number, octets: number): void {
  out[0] = tag;
  out[1] = octets === 0 ? length : 0x80 | octets;
  for (let i = octets, left = length; i > 0; i--, left = Math.floor(left / 256)) out[1 + i] = left & 0xff;
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
// Backwards, for what we write or have read. Strangers can fill it, and then only lose its help.
const dottedTexts = new Map<string, string>();
const maxDottedTexts = 1024;

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

/** UTCTime through 2049, GeneralizedTime after; whole seconds (RFC 5280 §4.1.2.5). @throws {DerError} for a year of other than four digits */
export function time(date: Date): Buffer {
  const out = Buffer.allocUnsafe(17);
  return out.subarray(0, putTime(out, 0, date));
}

/** The same into a buffer. @returns where it ends */
export function putTime(out: Buffer, at: number, date: Date): number {
  const year = date.getUTCFullYear();
  if (year < 1950 || year >= 2050) return putGeneralizedTime(out, at, date);
  out[at] = Tag.utcTime;
  out[at + 1] = 13;
  return writeTime(out, at + 2, date, year % 100);
}

/** GeneralizedTime, whole seconds. @throws {DerError} for a year of other than four digits */
export function generalizedTime(date: Date): Buffer {
  const out = Buffer.allocUnsafe(17);
  putGeneralizedTime(out, 0, date);
  return out;
}

function putGeneralizedTime(out: Buffer, at: number, date: Date): number {
  const year = date.getUTCFullYear();
  if (!(year >= 0 && year <= 9999)) throw new DerError('a year of other than four digits');
  out[at] = Tag.generalizedTime;
  out[at + 1] = 15;
  writeDigits(out, at + 2, Math.floor(year / 100));
  return writeTime(out, at + 4, date, year % 100);
}

function writeTime(out: Buffer, at: number, date: Date, year: number): number {
  writeDigits(out, at, year);
  writeDigits(out, at + 2, date.getUTCMonth() + 1);
  writeDigits(out, at + 4, date.getUTCDate());
  writeDigits(out, at + 6, date.getUTCHours());
  writeDigits(out, at + 8, date.getUTCMinutes());
  writeDigits(out, at + 10, date.getUTCSeconds());
  out[at + 12] = 0x5a;
  return at + 13;
}

function writeDigits(out: Buffer, at: number, value: number): void {
  out[at] = 0x30 + Math.floor(value / 10);
  out[at + 1] = 0x30 + (value % 10);
}
