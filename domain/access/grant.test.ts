import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mayGrant, reachOf, type Caller, type Grant } from './grant.ts';
import { permissions } from './permission.ts';
import { holdingsOf, roleIds } from './role.ts';

const caller = (...grants: Grant[]): Caller => ({ id: 'ak-1', name: 'one', grants });
const everywhere = (role: string): Grant => ({ role, type: 'global', id: null });

test('a scoped grant reaches what belongs to its profile, and satisfies no check of the whole', () => {
  const scoped = caller({ role: 'r-operator', type: 'profile', id: 'team' }, { role: 'r-viewer', type: 'issuer', id: 'iss-local' });
  expect(reachOf(scoped, 'cert.issue')).toEqual({ profiles: ['team'], issuers: [] });
  expect(reachOf(scoped, 'cert.read')).toEqual({ profiles: ['team'], issuers: ['iss-local'] });
  expect(reachOf(scoped, 'auth.key.create')).toBeUndefined();
});

test('a role that no release knows holds nothing', () => {
  expect(reachOf(caller(everywhere('r-root')), 'cert.read')).toBeUndefined();
  expect(mayGrant(caller(everywhere('r-admin')), everywhere('r-root'))).toBe(false);
});

test('nobody hands out more than they have, at no scope', () => {
  const scope = fc.constantFrom<Pick<Grant, 'type' | 'id'>>(
    { type: 'global', id: null },
    { type: 'profile', id: 'a' },
    { type: 'profile', id: 'b' },
    { type: 'issuer', id: 'a' },
  );
  const grant = fc.record({ role: fc.constantFrom(...roleIds), scope }).map(({ role, scope: where }): Grant => ({ role, ...where }));
  fc.assert(
    fc.property(fc.array(grant, { maxLength: 4 }), grant, (grants, given) => {
      if (!mayGrant(caller(...grants), given)) return;
      // Whatever the new holder can do there, the giver could do there.
      const giver = caller(...grants);
      for (const permission of permissions) {
        const after = reachOf(caller(given), permission);
        if (after === undefined) continue;
        const before = reachOf(giver, permission);
        expect(before).toBeDefined();
        if (before === 'all') continue;
        expect(after).not.toBe('all');
        if (after === 'all' || before === undefined) continue;
        expect([...before.profiles, ...before.issuers.map((id) => `i${id}`)]).toEqual(
          expect.arrayContaining([...after.profiles, ...after.issuers.map((id) => `i${id}`)]),
        );
      }
    }),
  );
});

test('an admin may grant every role, an auditor only the auditor’s', () => {
  for (const role of roleIds) expect([role, mayGrant(caller(everywhere('r-admin')), everywhere(role))]).toEqual([role, true]);
  expect(roleIds.filter((role) => mayGrant(caller(everywhere('r-auditor')), everywhere(role)))).toEqual(['r-auditor']);
  expect([...holdingsOf('r-auditor')].sort()).toEqual(['audit.export', 'audit.read']);
});
