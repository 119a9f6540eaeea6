import { membershipIn, type Groupable, type Membership } from '#domain/agent/group.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import type { Database } from './database.ts';
import { slice, type Keyset } from './keyset.ts';
import { records, type RecordTable, type Records } from './records.ts';

export interface AgentGroupMember extends Groupable {
  readonly name: string;
  readonly membership: Membership;
}

export interface AgentGroups {
  readonly records: Records;
  /** Who belongs to a group by now; undefined when there is none. */
  members(id: string, page: PageRequest): Promise<Slice<AgentGroupMember> | undefined>;
  /** All of them. */
  memberIds(id: string): Promise<readonly string[] | undefined>;
  /** False when there is no such group, no such agent, or it is retired. */
  setMember(id: string, agentId: string, mode: 'include' | 'exclude', actor: string): Promise<boolean>;
  removeMember(id: string, agentId: string, actor: string): Promise<void>;
}

const wordsOf = (mode: string): string =>
  `ARRAY(SELECT m.agent_id FROM agent_group_members m WHERE m.group_id = r.id AND m.mode = '${mode}' ORDER BY m.agent_id)`;
const columns = `r.id, r.name, r.description, r.match_os, r.match_architecture, r.match_ip_cidr::text AS match_ip_cidr, r.match_version,
  ${wordsOf('include')} AS included, ${wordsOf('exclude')} AS excluded, r.version, r.created_at, r.updated_at`;
export const agentGroupTable: RecordTable = {
  table: 'agent_groups',
  resource: 'agent_group',
  action: 'AgentGroup',
  category: 'config',
  columns,
  fields: {
    name: { column: 'name' },
    description: { column: 'description' },
    match_os: { column: 'match_os' },
    match_architecture: { column: 'match_architecture' },
    match_ip_cidr: { column: 'match_ip_cidr', as: 'cidr' },
    match_version: { column: 'match_version' },
  },
  sorts: { name: { expression: 'r.name', type: 'text' }, created_at: { expression: 'r.created_at', type: 'timestamptz' } },
  details: `jsonb_build_object('name', r.name, 'version', r.version, 'os', r.match_os, 'architecture', r.match_architecture,
    'ip_cidr', r.match_ip_cidr::text, 'agent_version', r.match_version)`,
};

/** Whom a group is held against. */
export const groupableList: Keyset = {
  columns: 'id, name, os, architecture, version, host(ip_address) AS ip_address',
  from: 'agents',
  id: 'id',
  idType: 'text',
  sorts: { name: { expression: 'name', type: 'text' } },
};
/** Agents are judged so many at once. */
const batch = 500;

const setMember = {
  name: 'agent-group-set-member',
  text: `WITH a AS (SELECT id FROM agents WHERE id = $2 AND retired_at IS NULL FOR SHARE),
    g AS (UPDATE agent_groups SET version = version + 1, updated_at = now() FROM a WHERE agent_groups.id = $1 RETURNING agent_groups.id),
    m AS (INSERT INTO agent_group_members (group_id, agent_id, mode, added_by) SELECT id, $2, $3, $4 FROM g
          ON CONFLICT (group_id, agent_id) DO UPDATE SET mode = excluded.mode, added_by = excluded.added_by, added_at = now()),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $4, 'APIKey', 'setAgentGroupMember', 'agent_group', id, jsonb_build_object('agent', $2::text, 'mode', $3::text), 'config' FROM g)
  SELECT id FROM g`,
};
const removeMember = {
  name: 'agent-group-remove-member',
  text: `WITH m AS (DELETE FROM agent_group_members WHERE group_id = $1 AND agent_id = $2 RETURNING group_id),
    g AS (UPDATE agent_groups SET version = version + 1, updated_at = now() FROM m WHERE agent_groups.id = m.group_id),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT $3, 'APIKey', 'removeAgentGroupMember', 'agent_group', group_id, jsonb_build_object('agent', $2::text), 'config' FROM m)
  SELECT group_id FROM m`,
};

interface GroupRow {
  match_os: string | null;
  match_architecture: string | null;
  match_ip_cidr: string | null;
  match_version: string | null;
  included: string[];
  excluded: string[];
}
interface AgentRow {
  id: string;
  name: string;
  os: string;
  architecture: string;
  version: string;
  ip_address: string | null;
}

/** Groups of agents; what they ask is kept here, who meets it is judged at each look. */
export function agentGroups(database: Database): AgentGroups {
  const groups = records(database, agentGroupTable);
  const members = async (id: string, page: PageRequest): Promise<Slice<AgentGroupMember> | undefined> => {
    const group = (await groups.find(id)) as GroupRow | undefined;
    if (group === undefined) return undefined;
    const membershipOf = membershipIn(
      {
        os: group.match_os ?? undefined,
        architecture: group.match_architecture ?? undefined,
        ipRange: group.match_ip_cidr ?? undefined,
        versionRange: group.match_version ?? undefined,
      },
      { included: new Set(group.included), excluded: new Set(group.excluded) },
    );
    const found: AgentGroupMember[] = [];
    let after = page.after;
    do {
      const { rows, next } = await slice(database, groupableList, { ...page, after, limit: batch }, [['retired_at IS NULL']], agentOf);
      found.push(
        ...rows.flatMap((agent) => {
          const membership = membershipOf(agent);
          return membership === undefined ? [] : [{ ...agent, membership }];
        }),
      );
      after = next;
    } while (after !== undefined && found.length <= page.limit);
    const shown = found.slice(0, page.limit);
    const last = shown.at(-1);
    return { rows: shown, next: found.length > page.limit && last !== undefined ? { key: last.name, id: last.id } : undefined };
  };
  return {
    records: groups,
    members,
    async memberIds(id) {
      const all = await members(id, { sort: 'name', descending: false, after: undefined, limit: Infinity });
      return all?.rows.map((member) => member.id);
    },
    async setMember(id, agentId, mode, actor) {
      return (await database.query(setMember, [id, agentId, mode, actor])).length === 1;
    },
    async removeMember(id, agentId, actor) {
      await database.query(removeMember, [id, agentId, actor]);
    },
  };
}

function agentOf(row: AgentRow): Groupable & { readonly name: string } {
  const { id, name, os, architecture, version } = row;
  return { id, name, os, architecture, version, ipAddress: row.ip_address ?? undefined };
}
