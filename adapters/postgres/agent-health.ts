import type { Database } from './database.ts';
import { notifyFrom } from './notify.ts';

const offline = {
  name: 'agent-offline',
  text: `WITH a AS (UPDATE agents SET status = 'offline', status_reason = NULL, last_seen_at = now()
                   WHERE id = ANY ($1) AND status <> 'offline' AND retired_at IS NULL RETURNING id, name, hostname, last_seen_at),
    n AS (${notifyFrom('a', 'agent.offline', { subject: 'a.id', dedupe: `a.id || ':' || extract(epoch FROM a.last_seen_at)::bigint`, data: `jsonb_build_object('agent', a.id, 'name', a.name, 'hostname', a.hostname)` })}),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:agent-health', 'System', 'agent_state', 'agent', id, '{"to": "offline"}', 'cert_lifecycle' FROM a)
  SELECT id FROM n`,
};

/** What agentHealthCheck writes. */
export function agentHealth(database: Database): {
  /** Agents that were not heard of. @returns the notifications */
  offline(ids: readonly string[]): Promise<readonly string[]>;
} {
  return {
    async offline(ids) {
      return (await database.query<{ id: string }>(offline, [ids])).map(({ id }) => id);
    },
  };
}
