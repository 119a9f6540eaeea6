import { createHash, timingSafeEqual } from 'node:crypto';
import type { Caller, Grant } from '#domain/access/grant.ts';
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

interface Row {
  id: string;
  name: string;
  token_sha256: Buffer;
  previous_token_sha256: Buffer | null;
  unnoted: boolean;
  grants: Grant[];
}

/** Who a bearer token belongs to; the database knows its hash only. One query, and once a minute the note that the key is in use. */
export function callerStore(database: Database): { callerOf(token: string): Promise<Caller | undefined> } {
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
  };
}
