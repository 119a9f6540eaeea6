import {
  createAgentGroup,
  deleteAgentGroup,
  getAgentGroup,
  listAgentGroupMembers,
  listAgentGroups,
  removeAgentGroupMember,
  replaceAgentGroup,
  setAgentGroupMember,
} from '#contract/agent-groups.ts';
import type { AgentGroups } from '#adapters/postgres/agent-groups.ts';
import type { RecordRow } from '#adapters/postgres/records.ts';
import { CaError } from '#domain/error.ts';
import { collectionOperations, show } from './collection.ts';
import { serve, serveList, type Served } from './router.ts';

export interface AgentGroupPorts {
  readonly store: AgentGroups;
  readonly newId: (prefix: string) => string;
}

/** The operations of `contract/agent-groups.ts`. */
export function agentGroupOperations({ store, newId }: AgentGroupPorts): readonly Served[] {
  const existing = async (id: string): Promise<RecordRow> => {
    const group = await store.records.find(id);
    if (group === undefined) throw noGroup();
    return group;
  };
  return [
    ...collectionOperations(
      { list: listAgentGroups, get: getAgentGroup, create: createAgentGroup, replace: replaceAgentGroup, remove: deleteAgentGroup },
      { store: store.records, kind: 'group of agents', newId: () => newId('ag') },
    ),
    serveList(
      listAgentGroupMembers,
      async ({ params, page }) => {
        const members = await store.members(params.id, page);
        if (members === undefined) throw noGroup();
        return members;
      },
      ({ id, ipAddress, ...member }) => ({ agent: id, ...member, ip_address: ipAddress ?? null }),
    ),
    serve(setAgentGroupMember, async ({ params, body, caller }) => {
      const isSet = await store.setMember(params.id, params.agent_id, body.mode, caller?.id ?? '');
      const group = await existing(params.id);
      if (!isSet) throw new CaError('notFound', 'no such agent, or it is retired');
      return show(group) as never;
    }),
    serve(removeAgentGroupMember, async ({ params, caller }) => {
      await store.removeMember(params.id, params.agent_id, caller?.id ?? '');
      return show(await existing(params.id)) as never;
    }),
  ];
}

function noGroup(): CaError {
  return new CaError('notFound', 'no such group of agents');
}
