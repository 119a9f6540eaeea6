import { createHash, timingSafeEqual } from 'node:crypto';
import type { Caller, Grant } from '#domain/access/grant.ts';
import type { IamPrincipal } from '#domain/access/iam-principal.ts';
import type { Database } from './database.ts';

const byToken = {
  name: 'caller-by-token',
  text: `SELECT k.id, k.name, k.token_sha256, k.previous_token_sha256, k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute' AS unnoted,
      coalesce((SELECT jsonb_agg(jsonb_build_object('role', g.role, 'type', g.scope_type, 'id', g.scope_id)) FROM api_key_grants g
                WHERE g.key_id = k.id AND (g.expires_at IS NULL OR g.expires_at > now())), '[]') AS grants
    FROM api_keys k
    WHERE (k.token_sha256 = $1 OR (k.previous_token_sha256 = $1 AND k.previous_expires_at > now()))
      AND k.ended_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())`,
};
const used = {
  name: 'caller-used',
  text: `UPDATE api_keys SET last_used_at = now() WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`,
};
const byPrincipal = {
  name: 'caller-by-principal',
  text: `SELECT m.id, m.actor, m.last_used_at IS NULL OR m.last_used_at < now() - interval '1 minute' AS unnoted,
      coalesce((SELECT jsonb_agg(jsonb_build_object('role', g.role, 'type', g.scope_type, 'id', g.scope_id))
                FROM jsonb_to_recordset(m.roles) AS g (role text, scope_type text, scope_id text, expires_at timestamptz)
                WHERE g.expires_at IS NULL OR g.expires_at > now()), '[]') AS grants
    FROM iam_principal_mappings m WHERE m.principal = $1 AND m.ended_at IS NULL`,
};
const mappingUsed = {
  name: 'mapping-used',
  text: `UPDATE iam_principal_mappings SET last_used_at = now() WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`,
};

interface Row {
  id: string;
  name: string;
  token_sha256: Buffer;
  previous_token_sha256: Buffer | null;
  unnoted: boolean;
  grants: Grant[];
}

interface MappingRow {
  id: string;
  actor: string;
  unnoted: boolean;
  grants: Grant[];
}

export interface Callers {
  /** Who a bearer token belongs to; the database knows its hash only. */
  callerOf(token: string): Promise<Caller | undefined>;
  /** What an AWS identity, which somebody else has proven, is mapped to. */
  mapped(principal: IamPrincipal): Promise<Caller | undefined>;
}

/** Who calls. One query, and once a minute the note that the key or the mapping is in use. */
export function callerStore(database: Database): Callers {
  return {
    async callerOf(token) {
      const digest = createHash('sha256').update(token).digest();
      const [row] = await database.query<Row>(byToken, [digest]);
      // The index found it; what decides is a comparison whose time tells nothing.
      if (
        row === undefined ||
        ![row.token_sha256, row.previous_token_sha256].some((hash) => hash !== null && timingSafeEqual(hash, digest))
      )
        return undefined;
      if (row.unnoted) await database.query(used, [row.id]);
      return { id: row.id, name: row.name, grants: row.grants };
    },
    async mapped({ arn }) {
      const [row] = await database.query<MappingRow>(byPrincipal, [arn]);
      if (row === undefined) return undefined;
      if (row.unnoted) await database.query(mappingUsed, [row.id]);
      return { id: row.actor, name: arn, grants: row.grants };
    },
  };
}
