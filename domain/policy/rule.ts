import * as z from 'zod/mini';

export const policyTypes = [
  'allowed_issuers',
  'allowed_domains',
  'required_metadata',
  'allowed_environments',
  'renewal_lead_time',
  'certificate_lifetime',
] as const;
export type PolicyType = (typeof policyTypes)[number];

const some = z.array(z.string().check(z.minLength(1), z.maxLength(253))).check(z.minLength(1), z.maxLength(200));
const days = z.int().check(z.minimum(1), z.maximum(36_500));

/** What a rule of each type wants to know; what the types mean is the view `policy_findings`. */
export const policyConfigs = {
  allowed_issuers: z.strictObject({ allowed_issuer_ids: some }),
  allowed_domains: z.strictObject({ allowed_domains: some }),
  required_metadata: z.strictObject({ required_keys: some }),
  allowed_environments: z.strictObject({ allowed: some }),
  renewal_lead_time: z.strictObject({ lead_time_days: days }),
  certificate_lifetime: z.strictObject({ max_days: days }),
} as const;
