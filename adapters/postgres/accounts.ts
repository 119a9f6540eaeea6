import type { Account, AccountStatus } from '#domain/acme/account.ts';
import type { PublicJwk } from '#domain/acme/jwk.ts';
import { AccountChanged, type AccountStore, type EabKey, type Principal } from '#domain/acme/store.ts';
import type { JsonObject } from '#domain/json/strict.ts';
import { isDuplicate, type Database, type Session } from './database.ts';
import { cancelingFrom } from './order-cancellation.ts';

interface AccountRow {
  id: string;
  profile_id: string;
  jwk: PublicJwk;
  jwk_thumbprint: string;
  contact: string[];
  status: AccountStatus;
  blocked_at: Date | null;
  terms_agreed: boolean;
  eab: JsonObject | null;
  allowed_names: string[] | null;
}

const columns = 'id, profile_id, jwk, jwk_thumbprint, contact, status, blocked_at, terms_agreed, eab, allowed_names';
const byId = { name: 'acme-account', text: `SELECT ${columns} FROM acme_accounts WHERE id = $1` };
const byKey = { name: 'acme-account-by-key', text: `SELECT ${columns} FROM acme_accounts WHERE profile_id = $1 AND jwk_thumbprint = $2` };
const eabKey = {
  name: 'acme-eab-key',
  text: `SELECT id, profile_id, sealed_hmac, allowed_names FROM eab_keys
         WHERE id = $1 AND profile_id = $2 AND disabled_at IS NULL AND uses < max_uses AND (expires_at IS NULL OR expires_at > now())`,
};
const useEabKey = {
  name: 'acme-use-eab-key',
  text: `UPDATE eab_keys SET uses = uses + 1
         WHERE id = $1 AND profile_id = $2 AND disabled_at IS NULL AND uses < max_uses AND (expires_at IS NULL OR expires_at > now())
         RETURNING allowed_names`,
};
const insert = {
  name: 'acme-account-insert',
  text: `WITH a AS (
           INSERT INTO acme_accounts (id, profile_id, jwk, jwk_thumbprint, contact, terms_agreed, eab_key_id, eab, allowed_names)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING ${columns}),
         l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
               SELECT 'acme:' || id, 'ACME', 'acme_account_created', 'acme_account', id, jsonb_build_object('eab_key_id', $7::text), 'auth' FROM a)
         SELECT ${columns} FROM a`,
};
// The key is part of the condition: a request signed by a key that was replaced meanwhile changes nothing.
const guard = `id = $1 AND profile_id = $2 AND jwk_thumbprint = $3 AND status = 'valid' AND blocked_at IS NULL`;
const setContact = {
  name: 'acme-account-contact',
  text: `WITH a AS (UPDATE acme_accounts SET contact = $4, updated_at = now() WHERE ${guard} RETURNING ${columns}),
         l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
               SELECT 'acme:' || id, 'ACME', 'acme_account_updated', 'acme_account', id, 'auth' FROM a)
         SELECT ${columns} FROM a`,
};
const changeKey = {
  name: 'acme-account-key',
  text: `WITH a AS (UPDATE acme_accounts SET jwk = $4, jwk_thumbprint = $5, updated_at = now() WHERE ${guard} RETURNING ${columns}),
         k AS (INSERT INTO acme_account_keys (account_id, jwk_thumbprint) SELECT id, $3 FROM a
               ON CONFLICT (account_id, jwk_thumbprint) DO UPDATE SET replaced_at = now()),
         l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
               SELECT 'acme:' || id, 'ACME', 'acme_account_key_rolled', 'acme_account', id,
                      jsonb_build_object('from', $3::text, 'to', jwk_thumbprint), 'auth' FROM a)
         SELECT ${columns} FROM a`,
};
const earlierKeys = {
  name: 'acme-account-earlier-keys',
  text: `SELECT jwk_thumbprint AS thumbprint FROM acme_account_keys WHERE account_id = $1 ORDER BY replaced_at DESC LIMIT 999`,
};
const deactivate = {
  name: 'acme-account-deactivate',
  text: `WITH a AS (UPDATE acme_accounts SET status = 'deactivated', open_orders = 0, updated_at = now() WHERE ${guard} RETURNING ${columns}),
         o AS (UPDATE acme_orders SET status = 'invalid', updated_at = now(),
                 error = '{"type":"urn:ietf:params:acme:error:unauthorized","detail":"the account was deactivated","status":403}'
               WHERE account_id IN (SELECT id FROM a) AND status IN ('pending', 'ready') RETURNING id),
         s AS (${cancelingFrom('account_id IN (SELECT id FROM a)')}),
         z AS (UPDATE acme_authorizations SET status = 'deactivated' WHERE account_id IN (SELECT id FROM a) AND status IN ('pending', 'valid')),
         l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, category)
               SELECT 'acme:' || id, 'ACME', 'acme_account_deactivated', 'acme_account', id, 'auth' FROM a)
         SELECT ${columns} FROM a`,
};

/** RFC 8555 §7.3 accounts in PostgreSQL. */
export function accountStore(database: Database): AccountStore {
  const one = async (session: Session, statement: { name: string; text: string }, values: unknown[]): Promise<Account | undefined> => {
    const [row] = await session.query<AccountRow>(statement, values);
    return row && account(row);
  };
  const changed = async (statement: { name: string; text: string }, who: Principal, ...rest: unknown[]): Promise<Account> => {
    const result = await one(database, statement, [who.accountId, who.profileId, who.thumbprint, ...rest]);
    if (result === undefined) throw new AccountChanged();
    return result;
  };
  return {
    account: (id) => one(database, byId, [id]),
    accountByKey: (profileId, thumbprint) => one(database, byKey, [profileId, thumbprint]),
    async usableEabKey(id, profileId) {
      const [row] = await database.query<{ id: string; profile_id: string; sealed_hmac: Buffer; allowed_names: string[] | null }>(eabKey, [
        id,
        profileId,
      ]);
      return (
        row &&
        ({
          id: row.id,
          profileId: row.profile_id,
          sealedHmac: row.sealed_hmac,
          allowedNames: row.allowed_names ?? undefined,
        } satisfies EabKey)
      );
    },
    async createAccount(draft) {
      try {
        return await database.transaction(async (session) => {
          let allowedNames: string[] | null = null;
          if (draft.binding !== undefined) {
            const [used] = await session.query<{ allowed_names: string[] | null }>(useEabKey, [draft.binding.keyId, draft.profileId]);
            if (used === undefined) return undefined;
            allowedNames = used.allowed_names;
          }
          const [row] = await session.query<AccountRow>(insert, [
            draft.id,
            draft.profileId,
            JSON.stringify(draft.jwk),
            draft.thumbprint,
            draft.contact,
            draft.termsAgreed,
            draft.binding?.keyId ?? null,
            draft.binding ? JSON.stringify(draft.binding.jws) : null,
            allowedNames,
          ]);
          return row && { account: account(row), created: true };
        });
      } catch (error) {
        if (!isDuplicate(error)) throw error;
        // Somebody registered the same key at the same moment: theirs is the account, and our EAB use was rolled back.
        const winner = await one(database, byKey, [draft.profileId, draft.thumbprint]);
        if (winner === undefined) throw error;
        return { account: winner, created: false };
      }
    },
    updateContact: (who, contact) => changed(setContact, who, contact),
    async changeKey(who, jwk, thumbprint) {
      try {
        return { account: await changed(changeKey, who, JSON.stringify(jwk), thumbprint) };
      } catch (error) {
        if (!isDuplicate(error)) throw error;
        const holder = await one(database, byKey, [who.profileId, thumbprint]);
        if (holder === undefined) throw error;
        return { takenBy: holder.id };
      }
    },
    async earlierKeys(id) {
      return (await database.query<{ thumbprint: string }>(earlierKeys, [id])).map(({ thumbprint }) => thumbprint);
    },
    deactivateAccount: (who) => changed(deactivate, who),
  };
}

function account(row: AccountRow): Account {
  return {
    id: row.id,
    profileId: row.profile_id,
    jwk: row.jwk,
    thumbprint: row.jwk_thumbprint,
    contact: row.contact,
    status: row.status,
    blocked: row.blocked_at !== null,
    termsAgreed: row.terms_agreed,
    binding: row.eab ?? undefined,
    allowedNames: row.allowed_names ?? undefined,
  };
}
