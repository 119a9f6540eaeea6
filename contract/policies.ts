import * as z from 'zod';
import { policyConfigs, policyTypes } from '#domain/policy/rule.ts';
import { collection } from './collection.ts';
import { list } from './list.ts';
import { nothing, route } from './route.ts';

const ruleId = z.string().regex(/^pr-[0-9a-z-]{1,60}$/, 'the id of a policy rule');
const severity = z.enum(['warning', 'error', 'critical']);
/** What a rule of each type wants to know. */
const config = z.union(policyTypes.map((type) => policyConfigs[type]) as unknown as [z.ZodType, z.ZodType]);

export const policyRule = z.strictObject({
  id: ruleId,
  name: z.string(),
  type: z.enum(policyTypes),
  config,
  severity,
  enforcement: z.enum(['audit', 'block']),
  enabled: z.boolean(),
  version: z.number().int(),
  created_at: z.string(),
  updated_at: z.string(),
});

export const {
  list: listPolicies,
  get: getPolicy,
  create: createPolicy,
  replace: replacePolicy,
  remove: deletePolicy,
} = collection({
  singular: 'Policy',
  plural: 'Policies',
  noun: 'policies',
  path: '/api/v1/policies',
  one: 'a policy rule',
  many: 'policy rules',
  id: ruleId,
  fields: {
    name: z.string().min(1).max(128).describe('What the rule is called'),
    type: z.enum(policyTypes).describe('What it looks at'),
    config: config.describe('What it wants, as its type says'),
    severity: severity.default('warning').describe('How bad it is'),
    enforcement: z
      .enum(['audit', 'block'])
      .default('audit')
      .describe('`block` refuses certificates and renewals that break it; both tell of what does'),
    enabled: z.boolean().default(true).describe('Whether it is looked at'),
  },
  item: policyRule,
  filters: { type: z.enum(policyTypes).optional().describe('What it looks at') },
  sorts: ['name', 'created_at'],
  permissions: { read: 'policy.read', edit: 'policy.edit', remove: 'policy.delete' },
  hints: { remove: 'its violations go with it' },
});

export const violation = z.strictObject({
  id: z.string(),
  rule: z.string(),
  rule_name: z.string(),
  certificate: z.string(),
  certificate_name: z.string(),
  severity,
  opened_at: z.string(),
  resolved_at: z.string().nullable(),
});
export type ViolationBody = z.infer<typeof violation>;

export const listViolations = route(
  list({
    operation: 'listViolations',
    command: 'policies violations',
    path: '/api/v1/policy-violations',
    summary: 'Which certificates broke which policy rules, newest first',
    permission: 'policy.read',
    params: nothing,
    filters: {
      rule: ruleId.optional(),
      certificate: z.string().max(64).optional().describe('Only of this certificate'),
      open: z.enum(['true', 'false']).optional().describe('Only those that are open, or closed'),
    },
    item: violation,
    sorts: ['-opened_at'],
  }),
);
