import type pg from 'pg';
import { standing } from './drift.ts';
import { catalogFingerprint, recordedFingerprint } from './fingerprint.ts';
import { headOf, ledgerIfAny } from './ledger.ts';
import type { MigrationFile } from './manifest.ts';

/** What an operator sees of the schema. */
export interface SchemaStatus {
  readonly head: string;
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  readonly ahead: boolean;
  /** Why the next run would refuse; empty when it would not. */
  readonly drift: readonly string[];
  /** Whether the catalog is as the last run left it; null when no run has said. */
  readonly catalogUnchanged: boolean | null;
}

/** Says how things stand. Changes nothing, takes no lock. */
export async function schemaStatus(client: pg.ClientBase, manifest: readonly MigrationFile[]): Promise<SchemaStatus> {
  const ledger = await ledgerIfAny(client);
  const { pending, ahead, drift } = standing(ledger, manifest);
  const head = headOf(ledger);
  const recorded = ledger.size === 0 ? undefined : await fingerprintIfAny(client, head);
  return {
    head,
    applied: [...ledger.keys()],
    pending: pending.map((file) => file.version),
    ahead,
    drift,
    catalogUnchanged: recorded === undefined ? null : recorded === (await catalogFingerprint(client)),
  };
}

async function fingerprintIfAny(client: pg.ClientBase, head: string): Promise<string | undefined> {
  const { rows } = await client.query<{ there: boolean }>(`SELECT to_regclass('public.schema_fingerprints') IS NOT NULL AS there`);
  return rows[0]?.there === true ? recordedFingerprint(client, head) : undefined;
}
