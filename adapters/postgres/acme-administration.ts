import type { AutoRenewalObject } from '#domain/acme/auto-renewal.ts';
import type { Reach } from '#domain/access/grant.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import type { Database } from './database.ts';
import { slice, within, type Keyset } from './keyset.ts';
import { cancelingFrom } from './order-cancellation.ts';

export interface AcmeAccountRow {
  readonly id: string;
  readonly profile: string;
  readonly status: 'valid' | 'deactivated' | 'revoked';
  readonly contact: string[];
  readonly key_thumbprint: string;
  readonly eab_key: string | null;
  readonly blocked_at: Date | null;
  readonly allowed_names: string[] | null;
  readonly open_orders: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface AcmeOrderRow {
  readonly id: string;
  readonly account: string;
  readonly profile: string;
  readonly status: 'pending' | 'ready' | 'processing' | 'valid' | 'invalid' | 'canceled';
  readonly identifiers: { type: string; value: string }[];
  readonly error: Record<string, unknown> | null;
  readonly certificate: string | null;
  readonly auto_renewal: AutoRenewalObject | null;
  readonly expires_at: Date;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface AcmeAdministration {
  accounts(
    page: PageRequest,
    filter: {
      readonly profile: string | undefined;
      readonly status: AcmeAccountRow['status'] | undefined;
      readonly eabKey: string | undefined;
      readonly thumbprint: string | undefined;
      readonly reach: Reach;
    },
  ): Promise<Slice<AcmeAccountRow>>;
  account(id: string): Promise<AcmeAccountRow | undefined>;
  /** False when it has ended already. */
  deactivate(id: string, actor: string): Promise<boolean>;
  orders(
    page: PageRequest,
    filter: {
      readonly account: string | undefined;
      readonly profile: string | undefined;
      readonly status: AcmeOrderRow['status'] | undefined;
      readonly reach: Reach;
    },
  ): Promise<Slice<AcmeOrderRow>>;
}

const accountColumns = `a.id, a.profile_id AS profile, a.status, a.contact, a.jwk_thumbprint AS key_thumbprint, a.eab_key_id AS eab_key, a.blocked_at, a.allowed_names,
  a.open_orders, a.created_at, a.updated_at`;
export const acmeAccountList: Keyset = {
  columns: accountColumns,
  from: 'acme_accounts a',
  id: 'a.id',
  idType: 'text',
  sorts: { created_at: { expression: 'a.created_at', type: 'timestamptz' } },
};
export const acmeOrderList: Keyset = {
  columns: `o.id, o.account_id AS account, o.profile_id AS profile, o.status, o.identifiers, o.error, o.certificate_id AS certificate, o.auto_renewal, o.expires_at, o.created_at, o.updated_at`,
  from: 'acme_orders o',
  id: 'o.id',
  idType: 'text',
  sorts: { created_at: { expression: 'o.created_at', type: 'timestamptz' } },
};
const account = { name: 'acme-account-seen', text: `SELECT ${accountColumns} FROM acme_accounts a WHERE a.id = $1` };
const deactivate = {
  name: 'acme-account-ended',
  text: `WITH a AS (UPDATE acme_accounts SET status = 'deactivated', open_orders = 0, updated_at = now() WHERE id = $1 AND status = 'valid' RETURNING id),
    o AS (UPDATE acme_orders SET status = 'invalid', updated_at = now(),
            error = '{"type":"urn:ietf:params:acme:error:unauthorized","detail":"the account was deactivated","status":403}'
          WHERE account_id IN (SELECT id FROM a) AND status IN ('pending', 'ready')),
    s AS (${cancelingFrom('account_id IN (SELECT id FROM a)')}),
    z AS (UPDATE acme_authorizations SET status = 'deactivated' WHERE account_id IN (SELECT id FROM a) AND status IN ('pending', 'valid')),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
          SELECT $2, 'APIKey', 'deactivateAcmeAccount', 'acme_account', id, 'auth' FROM a)
  SELECT id FROM a`,
};

/** ACME accounts and orders as the operators of the server see them. */
export function acmeAdministration(database: Database): AcmeAdministration {
  return {
    accounts: (page, { profile, status, eabKey, thumbprint, reach }) =>
      slice(
        database,
        acmeAccountList,
        page,
        [
          ['a.profile_id = ?', profile],
          ['a.status = ?', status],
          ['a.eab_key_id = ?', eabKey],
          ['a.jwk_thumbprint = ?', thumbprint],
          within(reach, { profile: 'a.profile_id' }),
        ],
        (row: AcmeAccountRow) => row,
      ),
    async account(id) {
      return (await database.query<AcmeAccountRow>(account, [id]))[0];
    },
    async deactivate(id, actor) {
      return (await database.query(deactivate, [id, actor])).length === 1;
    },
    orders: (page, filter) =>
      slice(
        database,
        acmeOrderList,
        page,
        [
          ['o.account_id = ?', filter.account],
          ['o.profile_id = ?', filter.profile],
          ...(filter.status === undefined ? [] : [[`o.status = '${filter.status}'`] as const]),
          within(filter.reach, { profile: 'o.profile_id' }),
        ],
        (row: AcmeOrderRow) => row,
      ),
  };
}
