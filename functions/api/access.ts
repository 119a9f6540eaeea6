import { createHash } from 'node:crypto';
import type * as z from 'zod';
import {
  createApiKey,
  deleteApiKey,
  getApiKey,
  grantRole,
  listApiKeys,
  listPermissions,
  listRoles,
  revokeRole,
  rotateApiKey,
  whoAmI,
  type ApiKeyBody,
} from '#contract/access.ts';
import type { ApiKeyRecord, ApiKeys, NewGrant } from '#adapters/postgres/api-keys.ts';
import { mayGrant, reachOf, type Caller } from '#domain/access/grant.ts';
import { permissions, permissionTexts } from '#domain/access/permission.ts';
import { roles } from '#domain/access/role.ts';
import type { Chance } from '#domain/clock.ts';
import { CaError } from '#domain/error.ts';
import { assertMayGrant } from './granting.ts';
import { serve, serveList, type Served } from './router.ts';

export interface AccessPorts {
  readonly store: ApiKeys;
  readonly chance: Chance;
  readonly newId: (prefix: string) => string;
}

/** The operations of `contract/access.ts`. */
export function accessOperations(ports: AccessPorts): readonly Served[] {
  const existing = async (id: string): Promise<ApiKeyRecord> => {
    const key = await ports.store.get(id);
    if (key === undefined) throw new CaError('notFound', 'no such key');
    return key;
  };
  const granted = (caller: Caller | undefined, grant: z.output<typeof grantRole.body>): NewGrant => {
    const wanted = { role: grant.role, type: grant.scope_type, id: grant.scope_id };
    assertMayGrant(caller, wanted);
    return { grantId: ports.newId('gr'), ...wanted, expiresAt: dateOf(grant.expires_at) };
  };
  /** A key's secret is everything that the key may do. */
  const assertNotBeyond = (caller: Caller | undefined, key: ApiKeyRecord): void => {
    if (caller?.id !== key.id && (caller === undefined || !key.grants.every((grant) => mayGrant(caller, grant))))
      throw new CaError('unauthorized', 'the key may do more than you: only who could grant its roles may change it');
  };
  const assertAnother = (caller: Caller | undefined, id: string): void => {
    if (caller?.id === id) throw new CaError('unauthorized', 'nobody changes their own roles');
  };
  return [
    serve(whoAmI, async ({ caller }) => identityOf(caller)),
    serve(listPermissions, async () => ({ items: permissions.map((permission) => ({ permission, allows: permissionTexts[permission] })) })),
    serve(listRoles, async () => ({ items: roles.map(({ id, summary, holds }) => ({ id, summary, permissions: [...holds] })) })),
    serveList(listApiKeys, ({ query: { name }, page }) => ports.store.list(page, { name }), show),
    serve(getApiKey, async ({ params }) => show(await existing(params.id))),
    serve(createApiKey, async ({ body, caller }) => {
      const { token, ...secret } = newSecret(ports.chance);
      const key = await ports.store.create(
        {
          id: ports.newId('ak'),
          name: body.name,
          description: body.description,
          tokenSha256: secret.sha256,
          tokenPrefix: secret.prefix,
          expiresAt: dateOf(body.expires_at),
          ownerId: body.owner ?? undefined,
          grants: body.roles.map((grant) => granted(caller, grant)),
        },
        caller?.id ?? '',
      );
      return { ...show(key), token };
    }),
    serve(rotateApiKey, async ({ params, body, caller }) => {
      assertNotBeyond(caller, await existing(params.id));
      const { token, ...secret } = newSecret(ports.chance);
      const key = await ports.store.rotate(params.id, { ...secret, overlapSeconds: body.overlap_seconds }, caller?.id ?? '');
      if (key === undefined) throw new CaError('conflict', 'the key has ended');
      return { ...show(key), token };
    }),
    serve(deleteApiKey, async ({ params, caller }) => {
      assertNotBeyond(caller, await existing(params.id));
      const key = await ports.store.end(params.id, caller?.id ?? '');
      return show(key ?? (await existing(params.id)));
    }),
    serve(grantRole, async ({ params, body, caller }) => {
      assertAnother(caller, params.id);
      await existing(params.id);
      const key = await ports.store.grant(params.id, granted(caller, body), caller?.id ?? '');
      if (key === undefined) throw new CaError('conflict', 'the key has ended');
      return show(key);
    }),
    serve(revokeRole, async ({ params, query, caller }) => {
      assertAnother(caller, params.id);
      assertNotBeyond(caller, await existing(params.id));
      if (query.scope_type === undefined && query.scope_id !== undefined)
        throw new CaError('malformed', 'the query: scope_id: needs scope_type');
      const scope = query.scope_type && { type: query.scope_type, id: query.scope_id ?? null };
      const key = await ports.store.revoke(params.id, params.role, scope, caller?.id ?? '');
      if (key === undefined) throw new CaError('notFound', 'the key does not have this role at this scope');
      return show(key);
    }),
  ];
}

/** `ck_`, eight characters that tell keys apart, and 256 bits: secret scanners know it by its shape. */
function newSecret(chance: Chance): { readonly token: string; readonly sha256: Uint8Array; readonly prefix: string } {
  const prefix = `ck_${Buffer.from(chance.random(4)).toString('hex')}`;
  const token = `${prefix}_${Buffer.from(chance.random(32)).toString('base64url')}`;
  return { token, prefix, sha256: createHash('sha256').update(token).digest() };
}

function identityOf(caller: Caller | undefined): z.input<typeof whoAmI.answer> {
  if (caller === undefined) throw new CaError('unauthenticated', 'nobody asks');
  return {
    id: caller.id,
    name: caller.name,
    roles: caller.grants.map(({ role, type, id }) => ({ role, scope_type: type, scope_id: id })),
    permissions: permissions.flatMap((permission) => {
      const reach = reachOf(caller, permission);
      if (reach === undefined) return [];
      const { profiles, issuers } = reach === 'all' ? everywhere : reach;
      return { permission, global: reach === 'all', profiles: [...profiles], issuers: [...issuers] };
    }),
  };
}

const everywhere = { profiles: [], issuers: [] };

function dateOf(text: string | null): Date | undefined {
  return text === null ? undefined : new Date(text);
}

function show(key: ApiKeyRecord): ApiKeyBody {
  return {
    id: key.id,
    name: key.name,
    description: key.description,
    token_prefix: key.tokenPrefix ?? null,
    roles: key.grants.map(({ role, type, id, expiresAt }) => ({
      role,
      scope_type: type,
      scope_id: id,
      expires_at: expiresAt?.toISOString() ?? null,
    })),
    owner: key.ownerId ?? null,
    created_by: key.createdBy,
    created_at: key.createdAt.toISOString(),
    expires_at: key.expiresAt?.toISOString() ?? null,
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
    ended_at: key.endedAt?.toISOString() ?? null,
    previous_secret_until: key.previousExpiresAt?.toISOString() ?? null,
  };
}
