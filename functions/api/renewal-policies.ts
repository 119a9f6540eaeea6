import {
  createRenewalPolicy,
  deleteRenewalPolicy,
  getRenewalPolicy,
  listRenewalPolicies,
  replaceRenewalPolicy,
} from '#contract/renewal-policies.ts';
import type { Records } from '#adapters/postgres/records.ts';
import type { Wake } from '../shared/wake.ts';
import { collectionOperations } from './collection.ts';
import type { Served } from './router.ts';

export interface RenewalPolicyPorts {
  readonly store: Records;
  readonly newId: (prefix: string) => string;
  readonly wake: Wake;
}

/** The operations of `contract/renewal-policies.ts`. */
export function renewalPolicyOperations(ports: RenewalPolicyPorts): readonly Served[] {
  return collectionOperations(
    {
      list: listRenewalPolicies,
      get: getRenewalPolicy,
      create: createRenewalPolicy,
      replace: replaceRenewalPolicy,
      remove: deleteRenewalPolicy,
    },
    // A wider window makes certificates due at once.
    { store: ports.store, kind: 'renewal policy', newId: () => ports.newId('rp'), before: () => ports.wake('renewalCheck') },
  );
}
