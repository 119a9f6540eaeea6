import { createHash, hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { AuditEvent } from './event.ts';

/** Where the chain begins: SHA-256 of `certctl audit chain`. */
export const genesis: Buffer = createHash('sha256').update('certctl audit chain').digest();

/** Where a chain is after a row. */
export interface Link {
  readonly seq: number;
  /** SHA-256. */
  readonly hash: Uint8Array;
}

/** Sealed rows as they are hashed, in the order of their sequence. */
export interface SealedRows {
  /** The SHA-256 of each, one behind the other. */
  readonly hashes: Buffer;
  readonly seqs: readonly number[];
  /** Each row in canonical JSON, behind room for the hash before it. */
  readonly bytes: Buffer;
  /** Where the room before each begins; -1 when somebody deleted the event. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

/** Why a chain is broken, at which row. */
export interface Break {
  readonly seq: number;
  readonly kind: 'gap' | 'deleted' | 'altered' | 'truncated' | 'rewritten';
}

/**
 * A row in canonical JSON (RFC 8785). Its own members are put in order here, which takes a quarter of the time: sealing does this for every row, and
 * a verification for those that are odd.
 */
export function canonicalRow(seq: number, event: AuditEvent): string {
  const { action, actor, actorType, at, category, details, id, resourceId, resourceType } = event;
  const before = JSON.stringify({ action, actor, actorType, at, category });
  const after = JSON.stringify({ id, resourceId, resourceType, seq });
  return `${before.slice(0, -1)},"details":${canonicalDetails(details)},${after.slice(1)}`;
}

/** Nearly all details are flat, and their members in order as they come: then there is nothing to sort, and JSON.stringify writes what RFC 8785 wants. */
export function canonicalDetails(details: object): string {
  let before: string | undefined;
  for (const name of Object.keys(details)) {
    const value = (details as Record<string, unknown>)[name];
    if ((typeof value !== 'string' && !Number.isInteger(value)) || (before !== undefined && before > name))
      return canonicalize(details) ?? '';
    before = name;
  }
  return JSON.stringify(details);
}

/** Of SHA-256, in bytes. */
export const hashLength = 32;
let scratch = Buffer.alloc(4096);

/**
 * Hash of a row: SHA-256 over the hash before it and the event with its sequence in canonical JSON.
 *
 * @param before a hash as a string of bytes (`latin1`), as is the answer: a Buffer for each would take longer than its SHA-256
 */
function rowHash(before: string, seq: number, event: AuditEvent): string {
  const text = canonicalRow(seq, event);
  // A UTF-16 unit is at most three bytes of UTF-8.
  const most = hashLength + text.length * 3;
  if (scratch.length < most) scratch = Buffer.alloc(most);
  return framedHash(before, scratch, 0, hashLength + scratch.write(text, hashLength));
}

function framedHash(before: string, bytes: Buffer, start: number, end: number): string {
  bytes.write(before, start, 'latin1');
  return hash('sha256', bytes.subarray(start, end), 'binary');
}

const bytesOf = (digest: Uint8Array): string => Buffer.from(digest).toString('latin1');
const digestOf = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Seals events in the order given, from where the chain is. */
export function seal(head: Link, events: readonly AuditEvent[]): readonly (Link & { readonly event: AuditEvent })[] {
  let { seq } = head;
  let before = bytesOf(head.hash);
  return events.map((event) => {
    seq += 1;
    before = rowHash(before, seq, event);
    return { seq, hash: digestOf(before), event };
  });
}

/** Rows as they are hashed; the event is missing when somebody deleted it. */
export function sealedRows(hashes: Buffer, rows: readonly { readonly seq: number; readonly event: AuditEvent | undefined }[]): SealedRows {
  const texts = rows.map(({ seq, event }) => (event === undefined ? undefined : Buffer.from(canonicalRow(seq, event))));
  const starts: number[] = [];
  const ends: number[] = [];
  const room = Buffer.alloc(hashLength);
  let end = 0;
  for (const text of texts) {
    starts.push(text === undefined ? -1 : end);
    if (text !== undefined) end += hashLength + text.length;
    ends.push(end);
  }
  const bytes = Buffer.concat(texts.flatMap((text) => (text === undefined ? [] : [room, text])));
  return { hashes, seqs: rows.map(({ seq }) => seq), bytes, starts, ends };
}

/** Follows rows from a link that holds; stops at the first that does not follow. */
export function follow(from: Link, { hashes, seqs, bytes, starts, ends }: SealedRows): { readonly to: Link; readonly broken?: Break } {
  let { seq } = from;
  let before = bytesOf(from.hash);
  const stopped = (kind: Break['kind']): ReturnType<typeof follow> => ({
    to: { seq, hash: digestOf(before) },
    broken: { seq: seq + 1, kind },
  });
  for (let index = 0; index < seqs.length; index++) {
    const start = starts[index] ?? -1;
    if (seqs[index] !== seq + 1) return stopped('gap');
    if (start < 0) return stopped('deleted');
    const found = framedHash(before, bytes, start, ends[index] ?? 0);
    if (found !== hashes.toString('latin1', index * hashLength, (index + 1) * hashLength)) return stopped('altered');
    before = found;
    seq += 1;
  }
  return { to: { seq, hash: digestOf(before) } };
}

/** Whether the whole chain ends where its head says. */
export function endsAt(reached: Link, head: Link): Break | undefined {
  if (reached.seq < head.seq) return { seq: reached.seq + 1, kind: 'truncated' };
  if (reached.seq > head.seq || !Buffer.from(reached.hash).equals(head.hash)) return { seq: head.seq, kind: 'rewritten' };
  return undefined;
}
