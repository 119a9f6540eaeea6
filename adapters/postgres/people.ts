import type { Database } from './database.ts';
import { records, type RecordTable, type Records } from './records.ts';

const sorts = { name: { expression: 'r.name', type: 'text' }, created_at: { expression: 'r.created_at', type: 'timestamptz' } } as const;

export const teamTable: RecordTable = {
  table: 'teams',
  resource: 'team',
  action: 'Team',
  category: 'config',
  columns: 'r.id, r.name, r.description, r.version, r.created_at, r.updated_at',
  fields: { name: { column: 'name' }, description: { column: 'description' } },
  sorts,
  details: `jsonb_build_object('name', r.name, 'version', r.version)`,
};

export const ownerTable: RecordTable = {
  table: 'owners',
  resource: 'owner',
  action: 'Owner',
  category: 'config',
  columns: 'r.id, r.name, r.email, r.team_id AS team, r.version, r.created_at, r.updated_at',
  fields: { name: { column: 'name' }, email: { column: 'email' }, team: { column: 'team_id' } },
  sorts,
  details: `jsonb_build_object('name', r.name, 'team', r.team_id, 'version', r.version)`,
};

/** Teams; none goes while it has owners or certificates. */
export const teamRecords = (database: Database): Records => records(database, teamTable);

/** Owners; none goes while certificates or keys are theirs. */
export const ownerRecords = (database: Database): Records => records(database, ownerTable);
