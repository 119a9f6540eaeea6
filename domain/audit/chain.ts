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

/** A sealed row as it is stored; the event is missing when somebody deleted it. */
export interface SealedRow extends Link {
  readonly event: AuditEvent | undefined;
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
    `"category":${text(event.category)},"details":${canonicalize(event.details) ?? ''},"id":${text(event.id)},` +
    `"resourceId":${text(event.resourceId)},"resourceType":${text(event.resourceType)},"seq":${seq}}`
  );
}

/** Hash of a row: SHA-256 over the hash before it and the event with its sequence in canonical JSON. */
export function rowHash(before: Uint8Array, seq: number, event: AuditEvent): Buffer {
  const row = Buffer.from(canonicalRow(seq, event), 'utf8');
  return hash('sha256', Buffer.concat([before, row]), 'buffer');
}

/** Seals events in the order given, from where the chain is. */
export function seal(head: Link, events: readonly AuditEvent[]): readonly (Link & { readonly event: AuditEvent })[] {
  let { seq, hash: before } = head;
  return events.map((event) => {
    seq += 1;
    before = rowHash(before, seq, event);
    return { seq, hash: before, event };
  });
}

/** Follows rows from a link that holds; stops at the first that does not follow. */
export function follow(from: Link, rows: readonly SealedRow[]): { readonly to: Link; readonly broken?: Break } {
  let to = from;
  for (const row of rows) {
    const seq = to.seq + 1;
    if (row.seq !== seq) return { to, broken: { seq, kind: 'gap' } };
    if (row.event === undefined) return { to, broken: { seq, kind: 'deleted' } };
    if (!rowHash(to.hash, seq, row.event).equals(row.hash)) return { to, broken: { seq, kind: 'altered' } };
    to = { seq, hash: row.hash };
  }
  return { to };
}

/** Whether the whole chain ends where its head says. */
export function endsAt(reached: Link, head: Link): Break | undefined {
  if (reached.seq < head.seq) return { seq: reached.seq + 1, kind: 'truncated' };
  if (reached.seq > head.seq || !Buffer.from(reached.hash).equals(head.hash)) return { seq: head.seq, kind: 'rewritten' };
  return undefined;
}
