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

/** Sealed rows as they are stored, in the order of their sequence. */
export interface SealedRows {
  /** The SHA-256 of each, one behind the other. */
  readonly hashes: Buffer;
  /** The event is missing when somebody deleted it. */
  readonly rows: readonly { readonly seq: number; readonly event: AuditEvent | undefined }[];
}

/** Why a chain is broken, at which row. */
export interface Break {
  readonly seq: number;
  readonly kind: 'gap' | 'deleted' | 'altered' | 'truncated' | 'rewritten';
}

/**
 * A row in canonical JSON (RFC 8785). Its own members are put in order here, which takes a third of the time: a verification does this for every
 * row there is.
 */
export function canonicalRow(seq: number, event: AuditEvent): string {
  const text = JSON.stringify;
  return (
    `{"action":${text(event.action)},"actor":${text(event.actor)},"actorType":${text(event.actorType)},"at":${text(event.at)},` +
    `"category":${text(event.category)},"details":${canonicalDetails(event.details)},"id":${text(event.id)},` +
    `"resourceId":${text(event.resourceId)},"resourceType":${text(event.resourceType)},"seq":${seq}}`
  );
}

/** Flat objects of texts and integers, which nearly all details are, need no walk. */
function canonicalDetails(details: object): string {
  let text = '';
  for (const name of Object.keys(details).sort()) {
    const value = (details as Record<string, unknown>)[name];
    if (typeof value !== 'string' && !Number.isInteger(value)) return canonicalize(details) ?? '';
    text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${JSON.stringify(value)}`;
  }
  return `{${text}}`;
}

const hashLength = 32;
let bytes = Buffer.alloc(4096);

/**
 * Hash of a row: SHA-256 over the hash before it and the event with its sequence in canonical JSON.
 *
 * @param before a hash as a string of bytes (`latin1`), as is the answer: a Buffer for each would take longer than its SHA-256
 */
function rowHash(before: string, seq: number, event: AuditEvent): string {
  const text = canonicalRow(seq, event);
  // A UTF-16 unit is at most three bytes of UTF-8.
  const most = hashLength + text.length * 3;
  if (bytes.length < most) bytes = Buffer.alloc(most);
  bytes.write(before, 0, 'latin1');
  return hash('sha256', bytes.subarray(0, hashLength + bytes.write(text, hashLength)), 'binary');
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

/** Follows rows from a link that holds; stops at the first that does not follow. */
export function follow(from: Link, { hashes, rows }: SealedRows): { readonly to: Link; readonly broken?: Break } {
  let { seq } = from;
  let before = bytesOf(from.hash);
  const stopped = (kind: Break['kind']): ReturnType<typeof follow> => ({
    to: { seq, hash: digestOf(before) },
    broken: { seq: seq + 1, kind },
  });
  for (const [index, row] of rows.entries()) {
    if (row.seq !== seq + 1) return stopped('gap');
    if (row.event === undefined) return stopped('deleted');
    const found = rowHash(before, row.seq, row.event);
    if (found !== hashes.toString('latin1', index * hashLength, (index + 1) * hashLength)) return stopped('altered');
    before = found;
    seq = row.seq;
  }
  return { to: { seq, hash: digestOf(before) } };
}

/** Whether the whole chain ends where its head says. */
export function endsAt(reached: Link, head: Link): Break | undefined {
  if (reached.seq < head.seq) return { seq: reached.seq + 1, kind: 'truncated' };
  if (reached.seq > head.seq || !Buffer.from(reached.hash).equals(head.hash)) return { seq: head.seq, kind: 'rewritten' };
  return undefined;
}
