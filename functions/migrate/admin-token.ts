import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { Chance } from '#domain/clock.ts';

/** Makes the bootstrap principal and returns its token, once: whoever asks again gets undefined. The database keeps the hash only. */
export async function createAdminToken(client: pg.Client, chance: Chance): Promise<string | undefined> {
  const token = `certctl_${Buffer.from(chance.random(32)).toString('base64url')}`;
  const { rows } = await client.query(
    `WITH k AS (
       INSERT INTO api_keys (id, name, token_sha256, role) VALUES ('ak-bootstrap', 'bootstrap', $1, 'admin') ON CONFLICT DO NOTHING RETURNING id),
     g AS (INSERT INTO api_key_grants (id, key_id, role, scope_type, granted_by) SELECT 'gr-' || id, id, 'r-admin', 'global', 'system:migrate' FROM k),
     l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
           SELECT 'system:migrate', 'System', 'bootstrap_token_created', 'api_key', id, 'auth' FROM k)
     SELECT id FROM k`,
    [createHash('sha256').update(token).digest()],
  );
  return rows.length === 1 ? token : undefined;
}
