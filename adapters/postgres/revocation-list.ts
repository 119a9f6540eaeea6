import type { Reach } from '#domain/access/grant.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import type { Database } from './database.ts';
import { slice, within, type Keyset } from './keyset.ts';

export interface RevocationRow {
  readonly ca: string;
  readonly serial: string;
  readonly reason: number;
  readonly version: string | null;
  readonly certificate: string | null;
  readonly revoked_by: string;
  readonly revoked_at: Date;
  readonly not_after: Date;
}

export interface RevocationList {
  list(
    page: PageRequest,
    filter: {
      readonly ca: string | undefined;
      readonly certificate: string | undefined;
      readonly reason: number | undefined;
      readonly reach: Reach;
    },
  ): Promise<Slice<RevocationRow>>;
}

export const revocationList: Keyset = {
  columns:
    'r.ca_id AS ca, r.serial, r.reason, r.certificate_id AS version, c.managed_id AS certificate, r.revoked_by, r.revoked_at, r.not_after',
  from: 'revocations r LEFT JOIN certificates c ON c.id = r.certificate_id',
  id: `(r.ca_id || ':' || r.serial)`,
  idType: 'text',
  sorts: { revoked_at: { expression: 'r.revoked_at', type: 'timestamptz' } },
};

/** Revocations as their operators look them up. */
export function revocationLookUp(database: Database): RevocationList {
  return {
    list: (page, { ca, certificate, reason, reach }) =>
      slice(
        database,
        revocationList,
        page,
        [
          ['r.ca_id = ?', ca],
          ['c.managed_id = ?', certificate],
          ['r.reason = ?', reason],
          within(reach, { profile: 'c.profile_id', issuer: 'c.issuer_id' }),
        ],
        (row: RevocationRow) => row,
      ),
  };
}
