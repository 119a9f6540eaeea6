import { CaError } from '#domain/error.ts';
import type { PageRequest, Slice } from '#domain/page.ts';
import type { Database, Session } from './database.ts';
import { slice, type Condition, type Keyset } from './keyset.ts';
import { records, type RecordTable, type Records } from './records.ts';

export interface ViolationRecord {
  readonly id: string;
  readonly ruleId: string;
  readonly ruleName: string;
  readonly certificateId: string;
  readonly certificateName: string;
  readonly severity: 'warning' | 'error' | 'critical';
  readonly openedAt: Date;
  readonly resolvedAt: Date | undefined;
}

export interface PolicyRules {
  readonly rules: Records;
  violations(
    page: PageRequest,
    filter: { readonly rule: string | undefined; readonly certificate: string | undefined; readonly open: boolean | undefined },
  ): Promise<Slice<ViolationRecord>>;
  /** Holds a rule that was not for most of a day against every certificate. @returns false when there is none */
  sweepOne(): Promise<boolean>;
}

const opened = (scope: string): string => `
  o AS (INSERT INTO policy_violations (id, rule_id, certificate_id, severity)
        SELECT 'pv-' || replace(gen_random_uuid()::text, '-', ''), rule_id, certificate_id, severity FROM f
        ON CONFLICT (rule_id, certificate_id) WHERE resolved_at IS NULL DO NOTHING RETURNING id),
  c AS (UPDATE policy_violations v SET resolved_at = now() WHERE v.resolved_at IS NULL AND v.${scope} = $1
          AND NOT EXISTS (SELECT FROM f WHERE f.rule_id = v.rule_id AND f.certificate_id = v.certificate_id) RETURNING v.id)`;
const found = (scope: string): string =>
  `f AS MATERIALIZED (SELECT rule_id, certificate_id, severity, rule_name, enforcement FROM policy_findings WHERE ${scope} = $1)`;
const holdCertificate = {
  name: 'policy-certificate',
  text: `WITH ${found('certificate_id')}, ${opened('certificate_id')} SELECT rule_name FROM f WHERE enforcement = 'block' ORDER BY rule_name`,
};
const holdRule = {
  name: 'policy-rule',
  text: `WITH ${found('rule_id')}, ${opened('rule_id')},
    s AS (UPDATE policy_rules SET swept_at = now() WHERE id = $1),
    l AS (INSERT INTO audit_events (actor, actor_type, action, resource_type, resource_id, details, category)
          SELECT 'system:policy', 'System', 'policy_held', 'policy_rule', $1, jsonb_build_object('opened', n.opened, 'resolved', n.resolved), 'cert_lifecycle'
          FROM (SELECT (SELECT count(*) FROM o) AS opened, (SELECT count(*) FROM c) AS resolved) n WHERE n.opened + n.resolved > 0)
  SELECT (SELECT count(*)::int FROM o) AS opened`,
};
const stalest = {
  name: 'policy-stalest',
  text: `SELECT id FROM policy_rules WHERE enabled AND (swept_at IS NULL OR swept_at < now() - interval '20 hours') ORDER BY swept_at NULLS FIRST, id LIMIT 1 FOR UPDATE SKIP LOCKED`,
};

export const policyRuleTable: RecordTable = {
  table: 'policy_rules',
  resource: 'policy_rule',
  action: 'Policy',
  category: 'config',
  columns: 'r.id, r.name, r.type, r.config, r.severity, r.enforcement, r.enabled, r.version, r.created_at, r.updated_at',
  fields: {
    name: { column: 'name' },
    type: { column: 'type' },
    config: { column: 'config', as: 'jsonb' },
    severity: { column: 'severity' },
    enforcement: { column: 'enforcement' },
    enabled: { column: 'enabled' },
  },
  sorts: { name: { expression: 'r.name', type: 'text' }, created_at: { expression: 'r.created_at', type: 'timestamptz' } },
  details: `jsonb_build_object('name', r.name, 'type', r.type, 'enforcement', r.enforcement, 'enabled', r.enabled, 'version', r.version)`,
  after: async (session, id) => {
    await session.query(holdRule, [id]);
  },
};

export const violationList: Keyset = {
  columns: 'v.id, v.rule_id, r.name AS rule_name, v.certificate_id, m.name AS certificate_name, v.severity, v.opened_at, v.resolved_at',
  from: 'policy_violations v JOIN policy_rules r ON r.id = v.rule_id JOIN managed_certificates m ON m.id = v.certificate_id',
  id: 'v.id',
  idType: 'text',
  sorts: { opened_at: { expression: 'v.opened_at', type: 'timestamptz' } },
};

/**
 * Holds one certificate to every rule, in the transaction that changes it: what it breaks is noted, what it broke before is resolved.
 *
 * @throws {CaError} `policyViolation` when a rule that blocks is broken
 */
export async function holdToPolicies(session: Session, certificateId: string): Promise<void> {
  const blocking = await session.query<{ rule_name: string }>(holdCertificate, [certificateId]);
  if (blocking.length > 0)
    throw new CaError('policyViolation', `the certificate breaks a rule: ${blocking.map(({ rule_name }) => rule_name).join(', ')}`);
}

/** Policy rules and what breaks them. */
export function policyRules(database: Database): PolicyRules {
  return {
    rules: records(database, policyRuleTable),
    violations: (page, { rule, certificate, open }) => {
      const conditions: Condition[] = [
        ['v.rule_id = ?', rule],
        ['v.certificate_id = ?', certificate],
        ...(open === undefined ? [] : [[`v.resolved_at IS ${open ? '' : 'NOT '}NULL`] as const]),
      ];
      return slice(database, violationList, page, conditions, recordOf);
    },
    sweepOne: () =>
      database.transaction(async (session) => {
        const [rule] = await session.query<{ id: string }>(stalest, []);
        if (rule !== undefined) await session.query(holdRule, [rule.id]);
        return rule !== undefined;
      }),
  };
}

function recordOf(row: {
  id: string;
  rule_id: string;
  rule_name: string;
  certificate_id: string;
  certificate_name: string;
  severity: ViolationRecord['severity'];
  opened_at: Date;
  resolved_at: Date | null;
}): ViolationRecord {
  return {
    id: row.id,
    ruleId: row.rule_id,
    ruleName: row.rule_name,
    certificateId: row.certificate_id,
    certificateName: row.certificate_name,
    severity: row.severity,
    openedAt: row.opened_at,
    resolvedAt: row.resolved_at ?? undefined,
  };
}
