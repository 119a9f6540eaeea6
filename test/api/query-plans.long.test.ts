import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { acmeAccountList, acmeOrderList } from '#adapters/postgres/acme-administration.ts';
import { failingNameList } from '#adapters/postgres/failing-names.ts';
import { agentList } from '#adapters/postgres/agents.ts';
import { apiKeyList } from '#adapters/postgres/api-keys.ts';
import { approvalList } from '#adapters/postgres/approvals.ts';
import { auditConditions, auditList, type AuditFilter } from '#adapters/postgres/audit.ts';
import { discoveredList } from '#adapters/postgres/discovered-certificates.ts';
import { scanList } from '#adapters/postgres/discovery-scans.ts';
import { deploymentList } from '#adapters/postgres/deployments.ts';
import { eabKeyList } from '#adapters/postgres/eab-keys.ts';
import { enrolmentTokenList } from '#adapters/postgres/enrolment-tokens.ts';
import { jobList } from '#adapters/postgres/job-administration.ts';
import { sliceStatement, type Condition, type Keyset } from '#adapters/postgres/keyset.ts';
import { certificateList, conditionsOf, type CertificateFilter } from '#adapters/postgres/managed-certificates.ts';
import { notificationList } from '#adapters/postgres/notification-administration.ts';
import { violationList } from '#adapters/postgres/policies.ts';
import { revocationList } from '#adapters/postgres/revocation-list.ts';
import { targetList } from '#adapters/postgres/targets.ts';
import { fillControlPlane } from '../load/control-plane-rows.ts';
import { startPlatform, type Platform } from '../platform.ts';

// Every list, in every order, with every filter: planned as the platform plans it, on tables that are not small.
let platform: Platform;
let database: pg.Client;
beforeAll(async () => {
  platform = await startPlatform();
  database = await platform.database();
  await fillControlPlane(database, { certificates: 20_000, auditEvents: 50_000, sealed: true });
}, 300_000);
afterAll(async () => {
  await database.end();
  await platform.stop();
});

interface Node {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
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

const lists: Readonly<Record<string, readonly [Keyset, Readonly<Record<string, readonly Condition[]>>]>> = {
  certificates: [
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
  audit: [
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
  jobs: [
    jobList,
    {
      all: [],
      failed: [[`status = 'failed'`]],
      pending: [[`status = 'pending'`]],
      type: [['type = ?', 'crl']],
      subject: [['subject_id = ?', 'x']],
    },
  ],
  notifications: [
    notificationList,
    { all: [], dead: [[`status = 'dead'`]], channel: [['channel_id = ?', 'x']], subject: [['subject_id = ?', 'x']] },
  ],
  revocations: [revocationList, { all: [], ca: [['r.ca_id = ?', 'x']] }],
  approvals: [approvalList, { all: [], state: [['a.state = ?', 'pending']], certificate: [['a.certificate_id = ?', 'x']] }],
  violations: [violationList, { all: [], rule: [['v.rule_id = ?', 'x']], certificate: [['v.certificate_id = ?', 'x']] }],
  'api keys': [apiKeyList, { all: [], name: [['k.name = ?', 'x']] }],
  'EAB keys': [eabKeyList, { all: [], profile: [['profile_id = ?', 'x']] }],
  'ACME accounts': [acmeAccountList, { all: [], profile: [['a.profile_id = ?', 'x']], thumbprint: [['a.jwk_thumbprint = ?', 'x']] }],
  agents: [agentList, { all: [], name: [['name = ?', 'x']], status: [['status = ?', 'online']] }],
  targets: [targetList, { all: [], agent: [['agent_id = ?', 'x']], type: [['type = ?', 'nginx']] }],
  deployments: [
    deploymentList,
    { all: [], certificate: [['d.certificate_id = ?', 'x']], target: [['d.target_id = ?', 'x']], agent: [['d.agent_id = ?', 'x']] },
  ],
  'discovered certificates': [
    discoveredList,
    {
      all: [],
      status: [['d.status = ?', 'unmanaged']],
      certificate: [['d.managed_certificate_id = ?', 'x']],
      ends: [['d.not_after < ?', date]],
    },
  ],
  'discovery scans': [scanList, { all: [], agent: [['agent_id = ?', 'x']] }],
  'enrolment tokens': [enrolmentTokenList, { all: [], agent: [['agent_id = ?', 'x']] }],
  'failing ACME names': [
    failingNameList,
    { all: [], account: [['n.account_id = ?', 'x']], profile: [['n.profile_id = ?', 'x']], paused: [['n.paused_at IS NOT NULL']] },
  ],
  'ACME orders': [acmeOrderList, { all: [], account: [['o.account_id = ?', 'x']], invalid: [[`o.status = 'invalid'`]] }],
};
const big = new Set([
  'managed_certificates',
  'audit_events',
  'audit_seals',
  'jobs',
  'notifications',
  'certificates',
  'agents',
  'targets',
  'deployments',
  'agent_enrolment_tokens',
  'discovered_certificates',
  'discovery_scans',
]);

function faults(node: Node): readonly string[] {
  const own =
    node['Node Type'] === 'Seq Scan' && big.has(node['Relation Name'] ?? '')
      ? [`reads all of ${node['Relation Name'] ?? ''}`]
      : node['Node Type'] === 'Sort' && node['Plan Rows'] > few
        ? [`sorts ${node['Plan Rows']} rows`]
        : [];
  return [...own, ...(node.Plans ?? []).flatMap(faults)];
}

describe.each(Object.entries(lists))('%s', (_, [list, filters]) => {
  const cases = Object.keys(list.sorts).flatMap((sort) =>
    Object.entries(filters).flatMap(([name, conditions]) =>
      [false, true].map((deep) => [sort, name, deep ? 'deep' : 'first', conditions] as const),
    ),
  );
  test.each(cases)('by %s, filter %s, %s page: by an index', async (sort, _name, depth, conditions) => {
    const after = depth === 'deep' ? { key: 'x', id: '1' } : undefined;
    const { text } = sliceStatement(list, { sort, descending: true, after, limit: 100 }, conditions);
    const { rows } = await database.query<{ 'QUERY PLAN': readonly [{ readonly Plan: Node }] }>(
      `EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${text}`,
    );
    expect(faults(rows[0]!['QUERY PLAN'][0].Plan)).toEqual([]);
  });
});
