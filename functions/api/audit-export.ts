import { createHash } from 'node:crypto';
import type { AuditEventBody } from '#contract/audit.ts';
import type { AuditFilter, AuditTrail } from '#adapters/postgres/audit.ts';
import type { Artifacts } from '#adapters/s3/artifacts.ts';
import type { LinkSigner } from '#adapters/s3/signed-link.ts';
import type { Position } from '#domain/page.ts';
import { csvHead, csvLine } from './audit-csv.ts';

export interface ExportPorts {
  readonly trail: Pick<AuditTrail, 'list'>;
  readonly artifacts: Artifacts;
  readonly link: LinkSigner;
  readonly show: (event: Awaited<ReturnType<AuditTrail['list']>>['rows'][number]) => AuditEventBody;
  readonly newId: (prefix: string) => string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface ExportedPart {
  readonly url: string;
  readonly rows: number;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

export type ExportFormat = 'ndjson' | 'csv';

// What a page leaves behind is young garbage; a part is put together in one place. So memory stays flat, whatever the export's size and however much an
// event has to say.
const pageRows = 1000;
const partRows = 20_000;
const partBytes = 8 * 1024 * 1024;
const workMs = 18_000;
export const linkSeconds = 900;
const media = { ndjson: 'application/x-ndjson', csv: 'text/csv' } as const;

/**
 * Writes events to objects, newest first, one part after the other, for as long as a request may take.
 *
 * @returns the parts with a link each, and the id of the last event when there is more before it
 */
export async function exportParts(
  ports: ExportPorts,
  filter: AuditFilter,
  format: ExportFormat,
): Promise<{ readonly parts: readonly ExportedPart[]; readonly lastId: string | undefined }> {
  const end = ports.now() + workMs;
  const name = ports.newId('ax');
  const parts: ExportedPart[] = [];
  let after: Position | undefined;
  let lastId: string | undefined;
  let room = Buffer.allocUnsafe(partBytes + partBytes / 4);
  do {
    let rows = 0;
    let bytes = format === 'csv' ? room.write(csvHead) : 0;
    do {
      const page = { sort: 'at', descending: true, after, limit: pageRows };
      const slice = await ports.trail.list(page, after === undefined ? filter : { ...filter, before: undefined });
      const lines = slice.rows.map(ports.show).map((event) => (format === 'csv' ? csvLine(event) : `${JSON.stringify(event)}\n`));
      const chunk = Buffer.from(lines.join(''));
      // A page of events that say very much.
      if (bytes + chunk.length > room.length) room = Buffer.concat([room.subarray(0, bytes)], bytes + chunk.length);
      bytes += chunk.copy(room, bytes);
      rows += slice.rows.length;
      lastId = slice.rows.at(-1)?.id ?? lastId;
      after = slice.next;
    } while (after !== undefined && rows < partRows && bytes < partBytes && ports.now() < end);
    const body = room.subarray(0, bytes);
    const key = `audit/exports/${name}-${String(parts.length + 1).padStart(4, '0')}.${format}`;
    await ports.artifacts.replace(key, body, undefined, { contentType: media[format], cacheControl: 'no-store' });
    const sha256 = createHash('sha256').update(body).digest('hex');
    parts.push({ url: await ports.link(key, linkSeconds), rows, bytes: body.length, sha256 });
  } while (after !== undefined && ports.now() < end);
  return { parts, lastId: after === undefined ? undefined : lastId };
}
