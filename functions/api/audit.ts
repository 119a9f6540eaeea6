import { createAuditExport, exportAudit, getAuditChain, listAudit, verifyAudit, type AuditEventBody } from '#contract/audit.ts';
import type { AuditFilter, AuditTrail, ListedEvent } from '#adapters/postgres/audit.ts';
import type { AnchorStore } from '#adapters/s3/anchors.ts';
import { genesis, type Link } from '#domain/audit/chain.ts';
import { walk, type ChainReader } from '#domain/audit/walk.ts';
import type { Wake } from '../shared/wake.ts';
import { exportParts, linkSeconds, type ExportPorts } from './audit-export.ts';
import { serve, serveList, type Input, type Served } from './router.ts';

export interface AuditPorts extends Omit<ExportPorts, 'show' | 'trail'> {
  readonly trail: AuditTrail;
  readonly reader: ChainReader;
  readonly anchors: AnchorStore;
  readonly wake: Wake;
  readonly now: () => number;
}

const walkMs = 20_000;
const sealPage = 2000;

/** The operations of `contract/audit.ts`. */
export function auditOperations(ports: AuditPorts): readonly Served[] {
  return [
    serveList(listAudit, ({ query, page }) => ports.trail.list(page, filterOf(query)), show),
    serve(exportAudit, async ({ query, caller }) => {
      const page = { sort: 'at', descending: true, after: undefined, limit: query.limit };
      const { rows } = await ports.trail.list(page, { ...filterOf(query), before: query.cursor });
      const { cursor: _, limit: __, ...filters } = query;
      await ports.wake();
      await ports.trail.noteExport(caller?.id ?? '', { ...filters, format: 'ndjson', rows: rows.length });
      return rows.map((event) => `${JSON.stringify(show(event))}\n`).join('');
    }),
    serve(createAuditExport, async ({ body: { format, cursor, ...filters }, caller }) => {
      const { parts, lastId } = await exportParts({ ...ports, show }, { ...filterOf(filters), before: cursor }, format);
      const rows = parts.reduce((sum, part) => sum + part.rows, 0);
      await ports.trail.noteExport(caller?.id ?? '', { ...filters, format, rows });
      return {
        parts: parts.map((part) => ({ ...part })),
        rows,
        expires_at: new Date(ports.now() + linkSeconds * 1000).toISOString(),
        next_cursor: lastId ?? null,
      };
    }),
    serve(getAuditChain, async () => {
      const [chain, unsealed] = await Promise.all([ports.trail.head(), ports.trail.unsealed()]);
      return {
        head: linkOf(chain.head),
        verified: linkOf(chain.verified),
        verified_at: chain.verifiedAt?.toISOString() ?? null,
        broken: chain.firstBreak ?? null,
        anchored_seq: chain.anchoredSeq,
        anchored_at: chain.anchoredAt?.toISOString() ?? null,
        unsealed: unsealed.count,
        oldest_unsealed_at: unsealed.oldest?.toISOString() ?? null,
      };
    }),
    serve(verifyAudit, async ({ body }) => {
      const end = ports.now() + walkMs;
      // What committed a moment ago is part of what the caller asks about.
      while ((await ports.trail.seal(sealPage)) === sealPage && ports.now() < end);
      const from = body.from === undefined ? { seq: 0, hash: genesis } : { seq: body.from.seq, hash: Buffer.from(body.from.hash, 'hex') };
      const { to, broken, whole, anchor } = await walk(ports.reader, ports.anchors, from, () => ports.now() < end);
      return {
        state: broken !== undefined ? ('broken' as const) : whole ? ('whole' as const) : ('unfinished' as const),
        broken: broken ?? null,
        verified: linkOf(to),
        anchor: anchor ?? null,
      };
    }),
  ];
}

function filterOf(query: Omit<Input<typeof exportAudit>['query'], 'cursor' | 'limit'>): AuditFilter {
  return {
    before: undefined,
    category: query.category,
    actor: query.actor,
    action: query.action,
    resourceType: query.resource_type,
    resourceId: query.resource_id,
    since: query.since === undefined ? undefined : new Date(query.since),
    until: query.until === undefined ? undefined : new Date(query.until),
  };
}

function linkOf({ seq, hash }: Link): { readonly seq: number; readonly hash: string } {
  return { seq, hash: Buffer.from(hash).toString('hex') };
}

function show(event: ListedEvent): AuditEventBody {
  return {
    id: event.id,
    at: event.at,
    actor: event.actor,
    actor_type: event.actorType,
    action: event.action,
    resource_type: event.resourceType,
    resource_id: event.resourceId,
    details: { ...event.details },
    category: event.category,
    seq: event.seal?.seq ?? null,
    hash: event.seal === undefined ? null : Buffer.from(event.seal.hash).toString('hex'),
  };
}
