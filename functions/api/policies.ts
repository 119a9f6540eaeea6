import { createPolicy, deletePolicy, getPolicy, listPolicies, listViolations, replacePolicy } from '#contract/policies.ts';
import type { PolicyRules } from '#adapters/postgres/policies.ts';
import { CaError } from '#domain/error.ts';
import { policyConfigs, type PolicyType } from '#domain/policy/rule.ts';
import { collectionOperations } from './collection.ts';
import { serveList, type Served } from './router.ts';

/** The operations of `contract/policies.ts`. */
export function policyOperations(ports: { readonly store: PolicyRules; readonly newId: (prefix: string) => string }): readonly Served[] {
  return [
    ...collectionOperations(
      { list: listPolicies, get: getPolicy, create: createPolicy, replace: replacePolicy, remove: deletePolicy },
      {
        store: ports.store.rules,
        kind: 'policy rule',
        newId: () => ports.newId('pr'),
        conditions: ({ type }) => [['r.type = ?', type]],
        check: ({ type, config, enforcement }) => {
          if (!policyConfigs[type as PolicyType].safeParse(config).success)
            throw new CaError('malformed', `the body: config: not what a rule of the type ${String(type)} wants to know`);
          if (type === 'renewal_lead_time' && enforcement === 'block')
            throw new CaError('policyViolation', 'a renewal that comes late is late, not wrong: renewal_lead_time cannot block');
        },
      },
    ),
    serveList(
      listViolations,
      ({ query: { rule, certificate, open }, page }) =>
        ports.store.violations(page, { rule, certificate, open: open === undefined ? undefined : open === 'true' }),
      (record) => ({
        id: record.id,
        rule: record.ruleId,
        rule_name: record.ruleName,
        certificate: record.certificateId,
        certificate_name: record.certificateName,
        severity: record.severity,
        opened_at: record.openedAt.toISOString(),
        resolved_at: record.resolvedAt?.toISOString() ?? null,
      }),
    ),
  ];
}
