import {
  deactivateAcmeAccount,
  getAcmeAccount,
  listAcmeAccounts,
  listAcmeOrders,
  type AcmeAccountBody,
  type AcmeOrderBody,
} from '#contract/acme.ts';
import type { AcmeAccountRow, AcmeAdministration, AcmeOrderRow } from '#adapters/postgres/acme-administration.ts';
import { reaches, type Reach } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';
import { serve, serveList, type Served } from './router.ts';

/** The operations of `contract/acme.ts`. */
export function acmeOperations(ports: { readonly store: AcmeAdministration }): readonly Served[] {
  const existing = async (id: string, reach: Reach): Promise<AcmeAccountRow> => {
    const row = await ports.store.account(id);
    if (row === undefined || !reaches(reach, { profile: row.profile })) throw new CaError('notFound', 'no such account');
    return row;
  };
  return [
    serveList(
      listAcmeAccounts,
      ({ query: { profile, status, eab_key: eabKey, key_thumbprint: thumbprint }, page, reach }) =>
        ports.store.accounts(page, { profile, status, eabKey, thumbprint, reach }),
      showAccount,
    ),
    serve(getAcmeAccount, async ({ params, reach }) => showAccount(await existing(params.id, reach))),
    serve(deactivateAcmeAccount, async ({ params, caller, reach }) => {
      await existing(params.id, reach);
      const ended = await ports.store.deactivate(params.id, caller?.id ?? '');
      const now = await existing(params.id, reach);
      if (!ended) throw new CaError('conflict', `the account is ${now.status}`);
      return showAccount(now);
    }),
    serveList(
      listAcmeOrders,
      ({ query: { account, profile, status }, page, reach }) => ports.store.orders(page, { account, profile, status, reach }),
      showOrder,
    ),
  ];
}

function showAccount(row: AcmeAccountRow): AcmeAccountBody {
  return {
    id: row.id,
    profile: row.profile,
    status: row.status,
    contact: row.contact,
    key_thumbprint: row.key_thumbprint,
    eab_key: row.eab_key,
    blocked_at: row.blocked_at?.toISOString() ?? null,
    allowed_names: row.allowed_names,
    open_orders: row.open_orders,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

function showOrder(row: AcmeOrderRow): AcmeOrderBody {
  return {
    id: row.id,
    account: row.account,
    profile: row.profile,
    status: row.status,
    identifiers: row.identifiers.map(({ type, value }) => ({ type, value })),
    error: row.error,
    certificate: row.certificate,
    expires_at: row.expires_at.toISOString(),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
