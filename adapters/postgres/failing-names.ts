import type { Identifier } from '#domain/acme/identifier.ts';
import { AccountChanged, type FailingNameStore, type RefusedName } from '#domain/acme/store.ts';
import type { Reach } from '#domain/access/grant.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import type { Database } from './database.ts';
import { slice, within, type Keyset } from './keyset.ts';

export interface FailingNameRow {
  readonly id: string;
  readonly account: string;
  readonly profile: string;
  readonly identifier: Identifier;
  readonly failures: number;
  readonly error: Record<string, unknown>;
  readonly last_failed_at: Date;
  readonly paused_at: Date | null;
}

export interface FailingNameAdministration {
  list(
    page: PageRequest,
    filter: {
      readonly account: string | undefined;
      readonly profile: string | undefined;
      readonly paused: boolean | undefined;
      readonly reach: Reach;
    },
  ): Promise<Slice<FailingNameRow>>;
  find(id: string): Promise<FailingNameRow | undefined>;
  /** Forgets the failures, with an audit row in the same commit; false when there are none any more. */
  forget(id: string, actor: string): Promise<boolean>;
}

const columns = `n.id, n.account_id AS account, n.profile_id AS profile, jsonb_build_object('type', n.identifier_type, 'value', n.identifier_value) AS identifier,
  n.failures, n.error, n.last_failed_at, n.paused_at`;
export const failingNameList: Keyset = {
  columns,
  from: 'acme_failing_names n',
  id: 'n.id',
  idType: 'text',
  sorts: { last_failed_at: { expression: 'n.last_failed_at', type: 'timestamptz' } },
};
const find = { name: 'failing-name', text: `SELECT ${columns} FROM acme_failing_names n WHERE n.id = $1` };
const forget = {
  name: 'failing-name-forget',
  text: `WITH n AS (DELETE FROM acme_failing_names WHERE id = $1 RETURNING *),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $2, 'APIKey', 'unpauseAcmeFailingName', 'acme_account', account_id,
                 jsonb_build_object('identifier', identifier_value, 'failures', failures), 'cert_lifecycle' FROM n)
  SELECT id FROM n`,
};
// $5 of the newest failures lie within the hour when the oldest of them does.
const refused = {
  name: 'acme-names-refused',
  text: `WITH principal AS (
      SELECT id FROM acme_accounts WHERE id = $1 AND profile_id = $2 AND jwk_thumbprint = $3 AND status = 'valid' AND blocked_at IS NULL)
    SELECT p.id AS principal, coalesce((
      SELECT jsonb_agg(jsonb_build_object('type', n.identifier_type, 'value', n.identifier_value, 'failures', n.failures,
          'token', CASE WHEN n.paused_at IS NOT NULL THEN n.unpause_token END,
          'wait', greatest(1, ceil(extract(epoch FROM n.failed_at[cardinality(n.failed_at) + 1 - $5::int] + interval '1 hour' - now()))))
        ORDER BY n.identifier_value)
      FROM jsonb_to_recordset($4::jsonb) AS w(type text, value text)
      JOIN acme_failing_names n ON n.account_id = p.id AND n.identifier_type = w.type AND n.identifier_value = w.value
      WHERE n.paused_at IS NOT NULL OR n.failed_at[cardinality(n.failed_at) + 1 - $5::int] > now() - interval '1 hour'), '[]') AS names
    FROM principal p`,
};
const ofToken = `account_id = (SELECT account_id FROM acme_failing_names WHERE unpause_token = $1 AND paused_at IS NOT NULL) AND paused_at IS NOT NULL`;
const paused = {
  name: 'acme-names-paused',
  text: `SELECT identifier_type AS type, identifier_value AS value FROM acme_failing_names WHERE ${ofToken} ORDER BY identifier_value LIMIT 1000`,
};
const unpause = {
  name: 'acme-names-unpause',
  text: `WITH n AS (DELETE FROM acme_failing_names WHERE ${ofToken} RETURNING *),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'acme:' || account_id, 'ACME', 'acme_names_unpaused', 'acme_account', account_id,
                 jsonb_build_object('identifiers', jsonb_agg(identifier_value ORDER BY identifier_value)), 'cert_lifecycle' FROM n GROUP BY account_id)
  SELECT identifier_type AS type, identifier_value AS value FROM n ORDER BY identifier_value`,
};

/** Names of ACME accounts whose validations fail; {@link validationStore} counts them. */
export function failingNameStore(database: Database): FailingNameStore {
  return {
    async refused(who, identifiers, { perHour }) {
      const [row] = await database.query<{
        names: { type: 'dns' | 'ip'; value: string; failures: number; token: string | null; wait: number | null }[];
      }>(refused, [who.accountId, who.profileId, who.thumbprint, JSON.stringify(identifiers), perHour]);
      if (row === undefined) throw new AccountChanged();
      return row.names.map(({ type, value, failures, token, wait }): RefusedName => ({
        identifier: { type, value },
        failures,
        unpauseToken: token ?? undefined,
        retryAfter: wait ?? 0,
      }));
    },
    paused: (token) => database.query<Identifier>(paused, [token]),
    unpause: (token) => database.query<Identifier>(unpause, [token]),
  };
}

/** The same names as the operators of the server see them. */
export function failingNameAdministration(database: Database): FailingNameAdministration {
  return {
    list: (page, filter) =>
      slice(
        database,
        failingNameList,
        page,
        [
          ['n.account_id = ?', filter.account],
          ['n.profile_id = ?', filter.profile],
          ...(filter.paused === undefined ? [] : [[`n.paused_at IS ${filter.paused ? 'NOT ' : ''}NULL`] as const]),
          within(filter.reach, { profile: 'n.profile_id' }),
        ],
        (row: FailingNameRow) => row,
      ),
    async find(id) {
      return (await database.query<FailingNameRow>(find, [id]))[0];
    },
    async forget(id, actor) {
      return (await database.query(forget, [id, actor])).length === 1;
    },
  };
}
