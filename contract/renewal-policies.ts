import * as z from 'zod';
import { collection } from './collection.ts';

export const policyId = z.string().regex(/^rp-[0-9a-z-]{1,60}$/, 'the id of a renewal policy');

const fields = {
  name: z.string().min(1).max(128).describe('What the policy is called'),
  renewal_window_days: z
    .number()
    .int()
    .min(1)
    .max(365)
    .default(30)
    .describe(`Days before the end, and never more than a third of a certificate's life.`),
  auto_renew: z.boolean().default(true).describe('Off: its certificates are renewed by hand alone'),
  max_retries: z
    .number()
    .int()
    .min(0)
    .max(10)
    .default(3)
    .describe('How often a renewal is tried before its certificate rests for six hours'),
  retry_interval_seconds: z.number().int().min(60).max(86_400).default(3600).describe('Seconds between two tries'),
  alert_thresholds_days: z
    .array(z.number().int().min(0).max(365))
    .max(20)
    .default([30, 14, 7, 0])
    .describe('Days before the end at which people hear of it'),
};

export const renewalPolicy = z.strictObject({
  id: policyId,
  name: z.string(),
  renewal_window_days: z.number().int(),
  auto_renew: z.boolean(),
  max_retries: z.number().int(),
  retry_interval_seconds: z.number().int(),
  alert_thresholds_days: z.array(z.number().int()),
  version: z.number().int(),
  created_at: z.string(),
  updated_at: z.string(),
});

export const {
  list: listRenewalPolicies,
  get: getRenewalPolicy,
  create: createRenewalPolicy,
  replace: replaceRenewalPolicy,
  remove: deleteRenewalPolicy,
} = collection({
  singular: 'RenewalPolicy',
  plural: 'RenewalPolicies',
  noun: 'renewal-policies',
  path: '/api/v1/renewal-policies',
  one: 'a renewal policy',
  many: 'renewal policies',
  id: policyId,
  fields,
  item: renewalPolicy,
  filters: {},
  sorts: ['name', 'created_at'],
  permissions: { read: 'policy.read', edit: 'policy.edit', remove: 'policy.delete' },
  hints: { remove: 'refused while certificates follow it' },
});
