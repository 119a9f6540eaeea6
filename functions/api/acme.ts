import {
  deactivateAcmeAccount,
  getAcmeAccount,
  listAcmeAccounts,
  listAcmeFailingNames,
  listAcmeOrders,
  unpauseAcmeFailingName,
  type AcmeAccountBody,
  type AcmeFailingNameBody,
  type AcmeOrderBody,
} from '#contract/acme.ts';
import type { AcmeAccountRow, AcmeAdministration, AcmeOrderRow } from '#adapters/postgres/acme-administration.ts';
import type { FailingNameAdministration, FailingNameRow } from '#adapters/postgres/failing-names.ts';
import { reaches, type Reach } from '#domain/access/grant.ts';
import { CaError } from '#domain/error.ts';
import { serve, serveList, type Served } from './router.ts';

/** The operations of `contract/acme.ts`. */
export function acmeOperations(ports: {
  readonly store: AcmeAdministration;
  readonly failingNames: FailingNameAdministration;
}): readonly Served[] {
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
    serveList(
      listAcmeFailingNames,
      ({ query: { account, profile, paused }, page, reach }) =>
        ports.failingNames.list(page, { account, profile, paused: paused === undefined ? undefined : paused === 'true', reach }),
      showFailingName,
    ),
    serve(unpauseAcmeFailingName, async ({ params, caller, reach }) => {
      const row = await ports.failingNames.find(params.id);
      const within = row !== undefined && reaches(reach, { profile: row.profile });
      if (!within || !(await ports.failingNames.forget(row.id, caller?.id ?? ''))) throw new CaError('notFound', 'no such failing name');
      return showFailingName(row);
    }),
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
    auto_renewal: row.auto_renewal,
    expires_at: row.expires_at.toISOString(),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

function showFailingName(row: FailingNameRow): AcmeFailingNameBody {
  return {
    id: row.id,
    account: row.account,
    profile: row.profile,
    identifier: { type: row.identifier.type, value: row.identifier.value },
    failures: row.failures,
    error: row.error,
    last_failed_at: row.last_failed_at.toISOString(),
    paused_at: row.paused_at?.toISOString() ?? null,
  };
}
