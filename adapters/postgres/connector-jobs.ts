import { connectorAgentId } from '#domain/agent/connector.ts';
import type { Database } from './database.ts';

const due = {
  name: 'connector-due',
  text: `SELECT id FROM jobs WHERE agent_id = '${connectorAgentId}' AND status = 'pending' AND run_at <= now() ORDER BY run_at, id LIMIT $1`,
};

/** Jobs of the connector that may be begun, oldest first. */
export async function dueOfConnector(database: Database, limit: number): Promise<readonly string[]> {
  return (await database.query<{ id: string }>(due, [limit])).map(({ id }) => id);
}
