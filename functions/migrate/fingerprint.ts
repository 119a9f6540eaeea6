import { createHash } from 'node:crypto';
import type pg from 'pg';

// What a migration can change of the schema: tables, columns and their types, indexes, constraints, functions and triggers. Names of the system's
// own making (of NOT NULL constraints) are left out, for they differ between versions of PostgreSQL.
const catalog = `
  SELECT 'relation' AS kind, c.relname AS name, c.relkind::text || ' ' || c.relpersistence::text AS definition
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
  UNION ALL
  SELECT 'column', c.relname || '.' || a.attname,
         format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' ' || a.attgenerated::text || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT 'index', c.relname, pg_get_indexdef(i.indexrelid) || ' ' || i.indisvalid
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = 'public'::regnamespace
  UNION ALL
  SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) || ' ' || convalidated
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
  UNION ALL
  SELECT 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid)
    FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p')
  UNION ALL
  SELECT 'trigger', tgrelid::regclass || '.' || tgname, pg_get_triggerdef(t.oid) || ' ' || tgenabled::text
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'public'::regnamespace AND NOT tgisinternal
  ORDER BY 1, 2`;

/** SHA-256, hex, of the schema as the catalog has it. Who may read the catalog may ask, so the runtime role may too. */
export async function catalogFingerprint(client: Pick<pg.ClientBase, 'query'>): Promise<string> {
  const { rows } = await client.query<{ kind: string; name: string; definition: string }>(catalog);
  return createHash('sha256')
    .update(JSON.stringify(rows.map((row) => [row.kind, row.name, row.definition])))
    .digest('hex');
}

/** Remembers the schema that a release left behind. */
export async function recordFingerprint(client: pg.ClientBase, head: string, release: string): Promise<void> {
  await client.query(
    `INSERT INTO schema_fingerprints (head, fingerprint, release) VALUES ($1, $2, $3)
     ON CONFLICT (head) DO UPDATE SET fingerprint = excluded.fingerprint, release = excluded.release, recorded_at = now()`,
    [head, await catalogFingerprint(client), release],
  );
}

/** The fingerprint that was remembered for a head. */
export async function recordedFingerprint(client: pg.ClientBase, head: string): Promise<string | undefined> {
  const { rows } = await client.query<{ fingerprint: string }>('SELECT fingerprint FROM schema_fingerprints WHERE head = $1', [head]);
  return rows[0]?.fingerprint;
}
