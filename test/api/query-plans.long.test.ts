import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { acmeAccountList, acmeOrderList } from '#adapters/postgres/acme-administration.ts';
import { agentGroupTable, groupableList } from '#adapters/postgres/agent-groups.ts';
import { failingNameList } from '#adapters/postgres/failing-names.ts';
import { agentList } from '#adapters/postgres/agents.ts';
import { apiKeyList } from '#adapters/postgres/api-keys.ts';
import { approvalList } from '#adapters/postgres/approvals.ts';
import { authorityChildList, authorityList, authorityRequestList } from '#adapters/postgres/authority-administration.ts';
import { auditConditions, auditList, type AuditFilter } from '#adapters/postgres/audit.ts';
import { crossCertificateList } from '#adapters/postgres/cross-certificates.ts';
import type { Statement } from '#adapters/postgres/database.ts';
import { discoveredList } from '#adapters/postgres/discovered-certificates.ts';
import { scanList } from '#adapters/postgres/discovery-scans.ts';
import { deploymentList } from '#adapters/postgres/deployments.ts';
import { eabKeyList } from '#adapters/postgres/eab-keys.ts';
import { enrolmentTokenList } from '#adapters/postgres/enrolment-tokens.ts';
import { iamMappingList } from '#adapters/postgres/iam-mappings.ts';
import { issuerList } from '#adapters/postgres/issuers.ts';
import { jobList } from '#adapters/postgres/job-administration.ts';
import { sliceStatement, type Condition, type Keyset } from '#adapters/postgres/keyset.ts';
import { lastLoopRunList, loopRunList } from '#adapters/postgres/loop-settings.ts';
import { certificateList, conditionsOf, versionList, type CertificateFilter } from '#adapters/postgres/managed-certificates.ts';
import { channelList, notificationList } from '#adapters/postgres/notification-administration.ts';
import { ownerTable, teamTable } from '#adapters/postgres/people.ts';
import { policyRuleTable, violationList } from '#adapters/postgres/policies.ts';
import { profileList } from '#adapters/postgres/profile-administration.ts';
import { recordList } from '#adapters/postgres/records.ts';
import { renewalPolicyTable } from '#adapters/postgres/renewal-policies.ts';
import { revocationList } from '#adapters/postgres/revocation-list.ts';
import { targetList } from '#adapters/postgres/targets.ts';
import { routes } from '#contract/routes.ts';
import { fillControlPlane } from '../load/control-plane-rows.ts';
import { startPlatform, type Platform } from '../platform.ts';

// Every list, in every order, with every filter: planned as the platform plans it, on tables that are not small.
let platform: Platform;
let database: pg.Client;
/** The trail's list as it is planned while hardly anything is sealed. */
let early: Node;
beforeAll(async () => {
  platform = await startPlatform();
  database = await platform.database();
  await database.query(
    `INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
     SELECT 'burst', 'System', 'burst', 'burst', 'burst', '{}', 'config' FROM generate_series(1, 2000)`,
  );
  await database.query('ANALYZE audit_events, audit_seals');
  early = await plan(statementOf(auditList, 'at', false, []), 'seqscan');
  await fillControlPlane(database, { certificates: 20_000, auditEvents: 50_000, sealed: true });
}, 300_000);
afterAll(async () => {
  await database.end();
  await platform.stop();
});

interface Node {
  readonly 'Node Type': string;
  readonly 'Parent Relationship'?: string;
  readonly 'Relation Name'?: string;
  readonly 'Index Cond'?: string;
  readonly 'Plan Rows': number;
  readonly Plans?: readonly Node[];
}

const few = 2000;
const certificates = (filter: Partial<CertificateFilter>): readonly Condition[] => conditionsOf({ reach: 'all', ...filter });
const nothing: AuditFilter = {
  before: undefined,
  category: undefined,
  actor: undefined,
  action: undefined,
  resourceType: undefined,
  resourceId: undefined,
  since: undefined,
  until: undefined,
};
const audit = (filter: Partial<AuditFilter>): readonly Condition[] => auditConditions({ ...nothing, ...filter });
const date = new Date();

type Lists = Readonly<Record<string, readonly [Keyset, Readonly<Record<string, readonly Condition[]>>]>>;
const lists: Lists = {
  listCertificates: [
    certificateList,
    {
      all: certificates({}),
      state: certificates({ state: 'active' }),
      profile: certificates({ profile: 'default' }),
      issuer: certificates({ issuer: 'iss-local' }),
      policy: certificates({ policy: 'rp-default' }),
      owner: certificates({ owner: 'o-1' }),
      team: certificates({ team: 't-1' }),
      environment: certificates({ environment: 'production' }),
      name: certificates({ name: 'x' }),
    },
  ],
  listAudit: [
    auditList,
    {
      all: audit({}),
      actor: audit({ actor: 'x' }),
      action: audit({ action: 'x' }),
      category: audit({ category: 'auth' }),
      resource: audit({ resourceType: 'x', resourceId: 'y' }),
      time: audit({ since: date, until: date }),
    },
  ],
  listJobs: [
    jobList,
    {
      all: [],
      failed: [[`status = 'failed'`]],
      pending: [[`status = 'pending'`]],
      type: [['type = ?', 'crl']],
      subject: [['subject_id = ?', 'x']],
    },
  ],
  listNotifications: [
    notificationList,
    { all: [], dead: [[`status = 'dead'`]], channel: [['channel_id = ?', 'x']], subject: [['subject_id = ?', 'x']] },
  ],
  listAgents: [agentList, { all: [], name: [['name = ?', 'x']], status: [['status = ?', 'online']] }],
  listAgentGroupMembers: [groupableList, { all: [['retired_at IS NULL']] }],
  listTargets: [targetList, { all: [], agent: [['agent_id = ?', 'x']], type: [['type = ?', 'nginx']] }],
  listDeployments: [
    deploymentList,
    { all: [], certificate: [['d.certificate_id = ?', 'x']], target: [['d.target_id = ?', 'x']], agent: [['d.agent_id = ?', 'x']] },
  ],
  listDiscoveredCertificates: [
    discoveredList,
    {
      all: [],
      status: [['d.status = ?', 'unmanaged']],
      certificate: [['d.managed_certificate_id = ?', 'x']],
      ends: [['d.not_after < ?', date]],
    },
  ],
  listDiscoveryScans: [scanList, { all: [], agent: [['agent_id = ?', 'x']] }],
  listEnrolmentTokens: [enrolmentTokenList, { all: [], agent: [['agent_id = ?', 'x']] }],
};
// Tables that nobody has filled here: that they have an index for each order shows where everything else is forbidden to the planner.
const unfilledLists: Lists = {
  listAcmeAccounts: [acmeAccountList, { all: [], profile: [['a.profile_id = ?', 'x']], thumbprint: [['a.jwk_thumbprint = ?', 'x']] }],
  listAcmeFailingNames: [
    failingNameList,
    { all: [], account: [['n.account_id = ?', 'x']], profile: [['n.profile_id = ?', 'x']], paused: [['n.paused_at IS NOT NULL']] },
  ],
  listAcmeOrders: [acmeOrderList, { all: [], account: [['o.account_id = ?', 'x']], invalid: [[`o.status = 'invalid'`]] }],
  listAgentGroups: [recordList(agentGroupTable), { all: [] }],
  listApiKeys: [apiKeyList, { all: [], name: [['k.name = ?', 'x']] }],
  listApprovals: [approvalList, { all: [], state: [['a.state = ?', 'pending']], certificate: [['a.certificate_id = ?', 'x']] }],
  listChannels: [channelList, { all: [] }],
  listEabKeys: [eabKeyList, { all: [], profile: [['profile_id = ?', 'x']] }],
  listIamMappings: [iamMappingList, { all: [], principal: [['m.principal = ?', 'x']] }],
  listIssuers: [issuerList, { all: [], type: [['type = ?', 'local']] }],
  listOwners: [recordList(ownerTable), { all: [], team: [['r.team_id = ?', 'x']] }],
  listPolicies: [recordList(policyRuleTable), { all: [] }],
  listProfiles: [profileList, { all: [], enabled: [['enabled = ?', true]] }],
  listRenewalPolicies: [recordList(renewalPolicyTable), { all: [] }],
  listRevocations: [revocationList, { all: [], ca: [['r.ca_id = ?', 'x']] }],
  listTeams: [recordList(teamTable), { all: [] }],
  listViolations: [violationList, { all: [], rule: [['v.rule_id = ?', 'x']], certificate: [['v.certificate_id = ?', 'x']] }],
};
const big = new Set([
  'managed_certificates',
  'audit_events',
  'audit_seals',
  'jobs',
  'notifications',
  'certificates',
  'revocations',
  'agents',
  'targets',
  'deployments',
  'agent_enrolment_tokens',
  'discovered_certificates',
  'discovery_scans',
]);

/** @param beside the page's own rows: there, what has no condition is read from first to last */
function faults(node: Node, beside = false): readonly string[] {
  const of = node['Relation Name'] ?? '';
  const isWhole =
    node['Node Type'] === 'Seq Scan' || (beside && /^Index (Only )?Scan$/.test(node['Node Type']) && node['Index Cond'] === undefined);
  const own =
    isWhole && big.has(of)
      ? [`reads all of ${of}`]
      : node['Node Type'] === 'Sort' && node['Plan Rows'] > few
        ? [`sorts ${node['Plan Rows']} rows`]
        : [];
  return [
    ...own,
    ...(node.Plans ?? []).flatMap((below) => faults(below, beside || ['SubPlan', 'Inner'].includes(below['Parent Relationship'] ?? ''))),
  ];
}

/** What is read whole all the same when that is forbidden. */
function readsAll(node: Node): readonly string[] {
  const own = node['Node Type'] === 'Seq Scan' ? [`reads all of ${node['Relation Name'] ?? ''}`] : [];
  return [...own, ...(node.Plans ?? []).flatMap(readsAll)];
}

/** Besides, what is sorted all the same. An index may have a part of the order, where that tells rows apart. */
function unordered(node: Node): readonly string[] {
  const sorts = (one: Node): readonly string[] => [
    ...(one['Node Type'] === 'Sort' ? [`sorts ${one['Plan Rows']} rows`] : []),
    ...(one.Plans ?? []).flatMap(sorts),
  ];
  return [...readsAll(node), ...sorts(node)];
}

function statementOf(list: Keyset, sort: string, deep: boolean, conditions: readonly Condition[]): string {
  const after = deep ? { key: 'x', id: '1' } : undefined;
  return sliceStatement(list, { sort, descending: true, after, limit: 100 }, conditions).text;
}

async function plan(text: string, ...forbidden: readonly string[]): Promise<Node> {
  await database.query('BEGIN');
  try {
    for (const what of forbidden) await database.query(`SET LOCAL enable_${what} = off`);
    const { rows } = await database.query<{ 'QUERY PLAN': readonly [{ readonly Plan: Node }] }>(
      `EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${text}`,
    );
    return rows[0]!['QUERY PLAN'][0].Plan;
  } finally {
    await database.query('ROLLBACK');
  }
}

const casesOf = ([list, filters]: Lists[string]) =>
  Object.keys(list.sorts).flatMap((sort) =>
    Object.entries(filters).flatMap(([name, conditions]) =>
      [false, true].map((deep) => [sort, name, deep ? 'deep' : 'first', conditions] as const),
    ),
  );

describe.each(Object.entries(lists))('%s', (_, entry) => {
  test.each(casesOf(entry))('by %s, filter %s, %s page: by an index', async (sort, _name, depth, conditions) => {
    expect(faults(await plan(statementOf(entry[0], sort, depth === 'deep', conditions)))).toEqual([]);
  });
});

/** The plan of a statement where reading everything and sorting are forbidden. */
const explained = (text: string): Promise<Node> => plan(text, 'seqscan', 'sort');

describe.each(Object.entries(unfilledLists))('%s', (_, entry) => {
  test.each(casesOf(entry))('by %s, filter %s, %s page: an index has the order', async (sort, _name, depth, conditions) => {
    expect(unordered(await explained(statementOf(entry[0], sort, depth === 'deep', conditions)))).toEqual([]);
  });
});

test('the trail’s list looks up the seals of what it shows, also while the planner believes that there are hardly any', () => {
  expect(faults(early)).toEqual([]);
});

test('a list without an index for its order is found, however small it is', async () => {
  const list: Keyset = { ...issuerList, sorts: { type: { expression: 'type', type: 'text' } } };
  expect(unordered(await explained(statementOf(list, 'type', false, [])))).not.toEqual([]);
});

/** Lists without pages, each of what belongs to one thing; or, of loops, the last run of each. */
const wholeLists: Readonly<Record<string, readonly Statement[]>> = {
  listCrossCertificates: [crossCertificateList],
  listIntermediateChildren: [authorityChildList],
  listIntermediates: [authorityList, authorityRequestList],
  listLoopRuns: [loopRunList],
  listLoops: [lastLoopRunList],
  listVersions: [versionList],
};
test.each(Object.entries(wholeLists))('%s finds what belongs to it by an index', async (_, statements) => {
  for (const { text } of statements) expect(readsAll(await explained(text))).toEqual([]);
});

test('every list that the contract has is judged here, but those that are in the code, or are all that there is', () => {
  const unjudged = ['listPermissions', 'listRoles', 'listSignerKeys'];
  const declared = routes.map(({ route }) => route.operation).filter((operation) => operation.startsWith('list'));
  expect([...Object.keys({ ...lists, ...unfilledLists, ...wholeLists }), ...unjudged].sort()).toEqual(declared.sort());
});
