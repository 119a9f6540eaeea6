import { DerError, Tag, writeHead } from './der.ts';

const maxDepth = 24;
const maxElements = 20_000;
const constructed = 0x20;
const indefinite = 0x80;

/** An element of BER: a primitive one lies where it was read, of the others the size is known when their parts are. */
interface Node {
  readonly tag: number;
  /** Of the contents, as DER has them; octets. */
  readonly size: number;
  readonly start: number;
  readonly parts: readonly Node[] | undefined;
}

/**
 * One element of BER with the lengths and the whole strings of DER (X.690 §§8.1.3, 8.7.3, 10.1–10.2), for whoever then reads DER: NSS, Bouncy Castle and old
 * Windows write lengths that are indefinite, and strings in pieces. Octet strings only; whatever else is not DER stays so.
 *
 * @returns a copy of all of its octets
 * @throws {DerError}
 */
export function definite(bytes: Buffer): Buffer {
  const reader = { elements: 0 };
  const [node, end] = read(bytes, 0, bytes.length, 0, reader);
  if (end !== bytes.length) throw new DerError('trailing bytes');
  const head = writeHead(node.tag, node.size);
  const out = Buffer.alloc(head.length + node.size);
  write(bytes, node, out, 0);
  return out;
}

function read(bytes: Buffer, at: number, limit: number, depth: number, reader: { elements: number }): readonly [Node, end: number] {
  if (depth > maxDepth) throw new DerError('nested too deeply');
  if (++reader.elements > maxElements) throw new DerError('too many elements');
  const tag = bytes[at] ?? 0;
  const first = bytes[at + 1] ?? 0;
  if (at + 2 > limit) throw new DerError('truncated');
  if ((tag & 0x1f) === 0x1f) throw new DerError('a tag of more than one octet');
  const octets = first > indefinite ? first - indefinite : 0;
  if (octets > 4) throw new DerError('an oversized length');
  const start = at + 2 + octets;
  let length = octets === 0 ? first : 0;
  for (let i = at + 2; i < start; i++) length = length * 256 + (bytes[i] ?? Number.NaN);
  const open = first === indefinite;
  const stop = open ? limit : start + length;
  if (!(stop <= limit)) throw new DerError('truncated');
  if ((tag & constructed) === 0) {
    if (open) throw new DerError('an indefinite length of what has no parts');
    return [{ tag, size: length, start, parts: undefined }, stop];
  }
  const parts: Node[] = [];
  let next = start;
  while (open ? bytes[next] !== 0 || bytes[next + 1] !== 0 : next < stop) {
    if (next >= stop) throw new DerError('a missing end of contents');
    const [part, end] = read(bytes, next, stop, depth + 1, reader);
    parts.push(part);
    next = end;
  }
  if (open && next + 2 > stop) throw new DerError('a missing end of contents');
  return [joined(tag, parts, start), open ? next + 2 : next];
}

function joined(tag: number, parts: readonly Node[], start: number): Node {
  const whole = tag === (Tag.octetString | constructed);
  if (whole && parts.some((part) => part.tag !== Tag.octetString)) throw new DerError('a string of other things than its pieces');
  const sizes = parts.map((part) => part.size + (whole ? 0 : headLength(part.size)));
  return { tag: whole ? Tag.octetString : tag, size: sizes.reduce((sum, size) => sum + size, 0), start, parts };
}

function headLength(size: number): number {
  return writeHead(0, size).length;
}

function write(bytes: Buffer, node: Node, out: Buffer, at: number): number {
  const head = writeHead(node.tag, node.size);
  out.set(head, at);
  return writeContents(bytes, node, out, at + head.length);
}

function writeContents(bytes: Buffer, { tag, size, start, parts }: Node, out: Buffer, at: number): number {
  if (parts === undefined) return at + bytes.copy(out, at, start, start + size);
  const piece = (tag & constructed) === 0 ? writeContents : write;
  return parts.reduce((next, part) => piece(bytes, part, out, next), at);
}
