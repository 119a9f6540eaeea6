import type pg from 'pg';

/**
 * The role that every other function connects as: it reads and writes rows, and cannot change the schema or the ledger.
 *
 * @param role a plain identifier, checked here because SQL cannot bind one
 */
export async function grantRuntime(client: pg.Client, role: string): Promise<void> {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(role)) throw new Error('the runtime role is no plain identifier');
  const { rows } = await client.query<{ exists: boolean; iam: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS exists, EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') AS iam`,
    [role],
  );
  if (rows[0]?.exists !== true) await client.query(`CREATE ROLE ${role} LOGIN`);
  // Where RDS knows IAM authentication, the role has no password and needs none.
  if (rows[0]?.iam === true) await client.query(`GRANT rds_iam TO ${role}`);
  // At no moment more than it may have.
  await client.query('BEGIN');
  await client.query(`GRANT USAGE ON SCHEMA public TO ${role}`);
  await client.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`);
  await client.query(`GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO ${role}`);
  await client.query(`REVOKE INSERT, UPDATE, DELETE ON schema_migrations, schema_fingerprints FROM ${role}`);
  // The ledger of releases until now.
  const { rows: former } = await client.query<{ there: boolean }>(`SELECT to_regclass('public.migrations') IS NOT NULL AS there`);
  if (former[0]?.there === true) await client.query(`REVOKE ALL ON public.migrations FROM ${role}`);
  await client.query(`REVOKE UPDATE, DELETE ON audit_events, audit_seals, signing_log FROM ${role}`);
  await client.query(`GRANT UPDATE (certificate_id) ON signing_log TO ${role}`);
  await client.query('COMMIT');
}
