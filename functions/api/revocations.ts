import { listRevocations } from '#contract/revocations.ts';
import type { RevocationList } from '#adapters/postgres/revocation-list.ts';
import { serveList, type Served } from './router.ts';

/** The operations of `contract/revocations.ts`. */
export function revocationOperations(ports: { readonly store: RevocationList }): readonly Served[] {
  return [
    serveList(
      listRevocations,
      ({ query: { ca, certificate, reason }, page, reach }) => ports.store.list(page, { ca, certificate, reason, reach }),
      (row) => ({
        ca: row.ca,
        serial: row.serial,
        reason: row.reason,
        version: row.version,
        certificate: row.certificate,
        revoked_by: row.revoked_by,
        revoked_at: row.revoked_at.toISOString(),
        not_after: row.not_after.toISOString(),
      }),
    ),
  ];
}
