import type { Database } from './database.ts';

const head = { name: 'schema-head', text: `SELECT max(version) AS head FROM schema_migrations` };

/** The newest migration that was applied. */
export async function schemaHead(database: Database): Promise<string | undefined> {
  const [row] = await database.query<{ head: string | null }>(head, []);
  return row?.head ?? undefined;
}
