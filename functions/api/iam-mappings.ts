import {
  createIamMapping,
  deleteIamMapping,
  getIamMapping,
  listIamMappings,
  replaceIamMapping,
  type IamMappingBody,
} from '#contract/iam-mappings.ts';
import type { IamMappingRecord, IamMappings, MappedRole } from '#adapters/postgres/iam-mappings.ts';
import { mayGrant, type Caller } from '#domain/access/grant.ts';
import { namedPrincipal } from '#domain/access/iam-principal.ts';
import { CaError } from '#domain/error.ts';
import { assertMayGrant } from './granting.ts';
import { serve, serveList, type Served } from './router.ts';
import { stale } from './stale.ts';

export interface IamMappingPorts {
  readonly store: IamMappings;
  readonly newId: (prefix: string) => string;
}

const grantOf = ({ role, scope_type, scope_id }: MappedRole) => ({ role, type: scope_type, id: scope_id });

/** The operations of `contract/iam-mappings.ts`. */
export function iamMappingOperations(ports: IamMappingPorts): readonly Served[] {
  const existing = async (id: string): Promise<IamMappingRecord> => {
    const mapping = await ports.store.find(id);
    if (mapping === undefined) throw new CaError('notFound', 'no such mapping');
    return mapping;
  };
  /** The mapping that is to be changed, if it is somebody else's and may do no more than who changes it. */
  const changed = async (id: string, expected: number | undefined, caller: Caller | undefined): Promise<IamMappingRecord> => {
    const mapping = await existing(id);
    if (caller?.id === mapping.actor) throw new CaError('unauthorized', 'nobody changes their own roles');
    if (caller === undefined || !mapping.roles.every((role) => mayGrant(caller, grantOf(role))))
      throw new CaError('unauthorized', 'the identity may do more than you: only who could grant its roles may change it');
    // What was judged is what is changed.
    return expected === undefined || expected === mapping.version ? mapping : stale('mapping', mapping);
  };
  return [
    serveList(
      listIamMappings,
      ({ query, page }) =>
        ports.store.list(page, { principal: query.principal === undefined ? undefined : namedPrincipal(query.principal)?.arn }),
      show,
    ),
    serve(getIamMapping, async ({ params }) => show(await existing(params.id))),
    serve(createIamMapping, async ({ body, caller }) => {
      const principal = namedPrincipal(body.principal);
      if (principal === undefined) throw new Error('the contract takes no such principal');
      for (const role of body.roles) assertMayGrant(caller, grantOf(role));
      const { description, roles } = body;
      const mapping = { id: ports.newId('im'), principal, description, roles, ownerId: body.owner ?? undefined };
      return show(await ports.store.create(mapping, caller?.id ?? ''));
    }),
    serve(replaceIamMapping, async ({ params, body, caller, expected }) => {
      const { version, endedAt } = await changed(params.id, expected, caller);
      if (endedAt !== undefined) throw new CaError('conflict', 'the mapping has ended');
      for (const role of body.roles) assertMayGrant(caller, grantOf(role));
      const mapping = await ports.store.replace(params.id, body, version, caller?.id ?? '');
      return mapping === undefined ? stale('mapping', await ports.store.find(params.id)) : show(mapping);
    }),
    serve(deleteIamMapping, async ({ params, caller, expected }) => {
      const before = await changed(params.id, expected, caller);
      if (before.endedAt !== undefined) return show(before);
      const mapping = await ports.store.end(params.id, before.version, caller?.id ?? '');
      return mapping === undefined ? stale('mapping', await ports.store.find(params.id)) : show(mapping);
    }),
  ];
}

function show(mapping: IamMappingRecord): IamMappingBody {
  return {
    id: mapping.id,
    principal: mapping.principal,
    actor: mapping.actor,
    description: mapping.description,
    roles: [...mapping.roles],
    owner: mapping.ownerId ?? null,
    version: mapping.version,
    created_by: mapping.createdBy,
    created_at: mapping.createdAt.toISOString(),
    updated_at: mapping.updatedAt.toISOString(),
    last_used_at: mapping.lastUsedAt?.toISOString() ?? null,
    ended_at: mapping.endedAt?.toISOString() ?? null,
  };
}
