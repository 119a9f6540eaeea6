import { CaError } from '#domain/error.ts';
import type { AuthorityAdministration } from '#domain/issuance/authority-administration.ts';
import { crlUrlBase } from '#domain/revocation/crl-scope.ts';
import { audited, locked, unlessTaken } from './authority-administration.ts';
import { authorityColumns, authorityOf, type AuthorityRow } from './authority-rows.ts';
import { makeShards } from './crl-shards.ts';
import type { Database } from './database.ts';

const update = {
  name: 'authority-update',
  text: `UPDATE certificate_authorities SET name = coalesce($2, name), metadata = coalesce($3::jsonb, metadata), crl_shards = coalesce($4, crl_shards),
           version = version + 1, updated_at = now()
         WHERE id = $1 RETURNING ${authorityColumns}`,
};

/** What may change of a CA when its certificate cannot. */
export function authorityUpdate(database: Database, pkiBaseUrl: string): Pick<AuthorityAdministration, 'update'> {
  return {
    update: (id, { name, metadata, crlShards }, expected, actor) =>
      unlessTaken(() =>
        database.transaction(async (session) => {
          const before = await locked(session, id);
          if (expected !== undefined && before.version !== expected)
            throw new CaError('preconditionFailed', `the CA is at version ${before.version} by now; read it again`);
          if (crlShards !== undefined && crlShards < before.crl_shards)
            throw new CaError('conflict', `the CRL has ${before.crl_shards} shards, which certificates name: it cannot have fewer`);
          if (crlShards !== undefined && crlShards > before.crl_shards && (before.state === 'retired' || before.state === 'revoked'))
            throw new CaError('conflict', `a CA that is ${before.state} signs nothing that further shards could list`);
          const values = [id, name ?? null, metadata === undefined ? null : JSON.stringify(metadata), crlShards ?? null];
          const [row] = await session.query<AuthorityRow>(update, values);
          if (row === undefined) throw new Error('no row');
          await session.query(makeShards, [crlUrlBase(pkiBaseUrl), id]);
          const was = { name_before: before.name, crl_shards_before: before.crl_shards };
          return audited(session, before, authorityOf(row), 'intermediate_ca_updated', actor, was);
        }),
      ),
  };
}
