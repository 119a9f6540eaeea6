import { createHash } from 'node:crypto';
import type { Caller, Role } from '#domain/access/permission.ts';
import type { Database } from './database.ts';

const byToken = {
  name: 'caller-by-token',
  text: `SELECT id, name, role FROM api_keys WHERE token_sha256 = $1 AND (expires_at IS NULL OR expires_at > now())`,
};

/** Who a bearer token belongs to; the database knows its hash only. */
export function callerStore(database: Database): { callerOf(token: string): Promise<Caller | undefined> } {
  return {
    async callerOf(token) {
      const [row] = await database.query<{ id: string; name: string; role: Role }>(byToken, [createHash('sha256').update(token).digest()]);
      return row && { id: row.id, name: row.name, role: row.role };
    },
  };
}
